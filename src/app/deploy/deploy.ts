/** Deploys a folder with a service of a person's own on the organism that runs here or on a cluster. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, systemClock } from "#core/clock.ts";
import type { InputOf, OutputOf } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import type { HostInfo } from "#contracts/telemetry.ts";
import type { Client } from "#runtime/client/client.ts";
import type { HostSpecInput } from "#runtime/engine/host-spec.ts";
import { toDigest, toPackageZip, uploadPackage } from "#runtime/ray/rest/packages.ts";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";
import type { BuiltInContracts } from "../built-in-contracts.ts";
import { type ConnectPlace, resolveTarget } from "../connect-target.ts";
import type { Connection } from "../connection.ts";
import type { Home } from "../home.ts";
import { bundleService, OWN_ENTRY } from "./bundle.ts";
import { describeBundle } from "./describe-bundle.ts";
import { type OwnFolder, readOwnFolder } from "./own-folder.ts";
import { prunePackages, storePackage } from "./package-store.ts";

export interface DeployOptions {
  readonly home: Home;
  connect(): Promise<Connection>;
  /** How long it may take to be ready; a minute on one machine and three on Ray when left out. */
  readonly readyWithinMs?: number;
  /** Told what has been done. */
  onStep(step: string): void;
}

type DeployHost = BuiltInContracts["telemetry"]["procedures"]["deployHost"];

export type Deployed = OutputOf<DeployHost> & {
  readonly service: string;
  readonly version: string;
};

/**
 * Bundles, uploads, declares and waits until it is ready. The version before it serves until then, and goes on where the
 * new one does not start.
 * @throws ServiceError INVALID_INPUT for what cannot be deployed, TOO_LARGE, CONFLICT for a name that is taken,
 *   DEPLOY_FAILED with why it did not start
 */
export async function deployFolder(path: string, options: DeployOptions): Promise<Deployed> {
  const { home, onStep } = options;
  const folder = readOwnFolder(path);
  const { place } = resolveTarget({});
  const files = await bundleService(folder);
  const zip = toPackageZip(files);
  const contract = await describeBundle(files);
  onStep(`bundled ${folder.settings.entry}: ${files.length} files, ${(zip.length / 1e6).toFixed(1)} MB packed`);
  const connection = await options.connect();

  const digest = toDigest(files);
  const { name = contract.name, entry: _source, files: _files, ...limits } = folder.settings;
  const version = toVersion(folder, digest);
  const spec: Omit<HostSpecInput, "name"> = {
    ...limits,
    services: [contract.name],
    contracts: [contract],
    package: await put(files, digest, place, options),
    entry: OWN_ENTRY,
    version,
  };
  // As JSON, where what is undefined is not there.
  const plain = JSON.parse(JSON.stringify(spec)) as InputOf<DeployHost>["spec"];
  const telemetry = connection.getServiceClient("telemetry");
  const { readyWithinMs } = options;
  const deployed = await telemetry.deployHost({
    host: name,
    spec: plain,
    ...(readyWithinMs === undefined ? {} : { readyWithinMs }),
  });
  // A call right after this must not meet the version before it, and callers go by the topology.
  const hosts = await watchHosts(telemetry, () => {
    const own = connection.topology().replicas.filter(({ host }) => host === name);
    return own.every((replica) => replica.version === version);
  });
  const used = hosts.flatMap(({ spec, previous }) => [
    ...(typeof spec.package === "string" ? [spec.package] : []),
    ...(previous === null ? [] : [previous.package]),
  ]);
  prunePackages(home.packagesDir, used, systemClock.now());
  return { ...deployed, service: contract.name, version };
}

/** Stops and forgets a host of one's own; resolves when nothing tells of it any more. Whether there was one. */
export async function removeHost(connection: Connection, host: string): Promise<boolean> {
  const telemetry = connection.getServiceClient("telemetry");
  const { removed } = await telemetry.removeHost({ host });
  await watchHosts(telemetry, (all) => all.every(({ name }) => name !== host));
  return removed;
}

const WATCH_MS = 60_000;
const LOOK_MS = 200;

/** The hosts as soon as they are as `isDone` wants them, or as they are after a while: what was asked for is stored. */
async function watchHosts(
  telemetry: Client<BuiltInContracts["telemetry"]>,
  isDone: (hosts: readonly HostInfo[]) => boolean,
): Promise<readonly HostInfo[]> {
  const giveUpAtMs = systemClock.monotonic() + WATCH_MS;
  while (true) {
    const { hosts } = await telemetry.status({});
    if (isDone(hosts) || systemClock.monotonic() > giveUpAtMs) return hosts;
    await sleep(systemClock, LOOK_MS);
  }
}

/** Makes the package available to the organism's hosts. @returns what the host spec calls it */
async function put(
  files: readonly PackageFile[],
  digest: string,
  place: ConnectPlace,
  { home, onStep }: DeployOptions,
): Promise<string> {
  if (place.kind === "gateway") {
    throw new ServiceError(
      "INVALID_INPUT",
      "Code cannot be deployed through a gateway. Unset SERVE_GATEWAY, and run this where the organism runs or with RAY_ADDRESS.",
      { started: "no" },
    );
  }
  // On Ray too: the cluster forgets a package that nobody uses, and the next `up` sends it again.
  const here = storePackage(home.packagesDir, digest, files);
  if (place.kind === "local") return here;
  const { openCluster } = await import("../ray/cluster.ts");
  const { namespace } = home;
  await using cluster = await openCluster(place.settings, { namespace, clock: systemClock });
  const { uri, sentBytes } = await uploadPackage(cluster.rest, files);
  onStep(sentBytes === 0 ? "the cluster has the package already" : `sent to ${place.settings.address}`);
  return uri;
}

/** Of its package.json, and of the code, so that any two that differ can be told apart. */
function toVersion({ path }: OwnFolder, digest: string): string {
  const code = digest.slice(0, 8);
  try {
    const { version } = JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as { readonly version?: unknown };
    return typeof version === "string" ? `${version.slice(0, 30)}-${code}` : code;
  } catch {
    return code;
  }
}
