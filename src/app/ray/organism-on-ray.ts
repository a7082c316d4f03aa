/** Brings an organism up on a Ray cluster: what it is made of is then the cluster's to keep running. */
import { networkInterfaces } from "node:os";
import { sleep, systemClock } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import type { HostStatus } from "#runtime/engine/engine.ts";
import { type HostSpec, isOwnHost } from "#runtime/engine/host-spec.ts";
import { createRayEngine, type RayEngine } from "#runtime/engine/ray/ray-engine.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import type { RayNode } from "#runtime/ray/client/cluster-view.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { describePlace, toDatabasePlace } from "#runtime/storage/database-url.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { createPinoLogger } from "#runtime/telemetry/pino-logger.ts";
import { type Config, loadConfig } from "../config.ts";
import { bringOwnPackages } from "./own-packages.ts";
import { DEFAULT_NAMESPACE, type Home } from "../home.ts";
import { declareHosts, toServiceConfig } from "../host-wishes.ts";
import { createPhaseRunner, type PhaseReport, Undo } from "../startup.ts";
import { StartupError } from "../startup-error.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { type EngineSecret, mintHostToken } from "./engine-front.ts";
import { takeOff } from "./organism-down.ts";
import { toListening } from "./listening.ts";
import { HOST_ENTRY, readPackageFiles } from "./package-files.ts";
import type { RaySettings } from "./ray-settings.ts";
import { holdUpLock } from "./up-lock.ts";
import { makeSharedKey, mintOwnerToken, readSharedKey } from "./shared-key.ts";

export interface RayStartOptions {
  readonly home: Home;
  readonly settings: RaySettings;
  /** Whoever reaches a cluster without tokens owns the organism too: a person has to have said so. */
  readonly acceptOpenCluster: boolean;
  readonly signal: AbortSignal;
  onPhase(report: PhaseReport): void;
  /** Something a person should know while it goes on. */
  onNotice(notice: string): void;
}

export interface RayStarted {
  readonly gatewayUrl: string;
  readonly urlWithToken: string;
  readonly startMs: number;
  readonly rayVersion: string;
  readonly nodes: readonly string[];
  readonly hosts: readonly HostStatus[];
}

const READY_WITHIN_MS = 180_000;
/** How long a cluster may take to come that is started together with the organism. */
const CLUSTER_PATIENCE_MS = 60_000;
const CLUSTER_RETRY_MS = 1_000;
/** Of the link that is printed; `seedcore` itself takes a new one whenever it connects. */
const OWNER_TOKEN_LIFE_MS = 24 * 3_600_000;

/**
 * Resolves when every host is ready; the organism goes on without this process.
 * @throws StartupError for a phase that failed. What it had begun is taken off again, except from an organism that an
 *   earlier `up` had brought up.
 */
export async function startOnRay(options: RayStartOptions): Promise<RayStarted> {
  const { home, settings, signal } = options;
  const began = performance.now();
  const undo = new Undo();
  let isUp = false;
  const phases = createPhaseRunner({
    undo,
    signal,
    monotonic: () => performance.now(),
    report: options.onPhase,
    advise: () => ["Look at it: seedcore doctor"],
  });
  try {
    const config = await phases.phase("configured", async () => {
      const value = await loadConfig(home, { engine: "ray" });
      return { value, detail: `namespace ${home.namespace}, ${value.hosts.length} hosts` };
    });
    const log = createPinoLogger({ fields: { host: "up" }, level: "warn", stream: process.stderr });
    const cluster = await phases.phase("connected", async () => {
      const value = await openWhenThere(options);
      undo.add(() => value.close());
      refuseOpen(value, options.acceptOpenCluster);
      refuseUnshared(value, config);
      const nodes = value.nodes.length === 1 ? "1 node" : `${value.nodes.length} nodes`;
      const place = describePlace(toDatabasePlace(config.databaseUrl));
      return { value, detail: `Ray ${value.version} at ${settings.address}, ${nodes}, ${place}` };
    });
    const databases = createDatabases(config.databaseUrl, systemClock, home.namespace);
    undo.add(() => databases.close());
    const database = await phases.phase("migrated", async () => {
      const value = await databases.open("seedcore", [desiredStateSchema]);
      return { value, detail: "schema is up to date" };
    });
    const desired = createDesiredState(database, systemClock);

    const { engine, token, packageUri } = await phases.phase("bootstrapped", async () => {
      const { uri, sentBytes } = await uploadPackage(cluster.rest, await readPackageFiles(), signal);
      const actor = await createRegistryActor(await cluster.withPackage(uri), home.namespace);
      const registry = createRegistry(toRegistryCall(actor));
      undo.add(await holdUpLock(registry, home.namespace, log));
      const present = await readSharedKey(cluster.store, home.namespace);
      if (present === undefined) {
        undo.add(async () => void (isUp || (await takeOff(cluster, actor, home.namespace, log))));
      }
      const keys = present ?? (await makeSharedKey(cluster.store, home.namespace));
      const secret: EngineSecret = {
        privateKey: { ...keys.privateJwk, kty: "OKP" },
        ray: { apiUrl: cluster.rest.url, token: settings.endpoint.token },
      };
      await registry.deposit({
        down: false,
        dataDir: home.dataDir,
        databaseUrl: config.databaseUrl,
        publicKey: keys.publicJwk,
        config: toServiceConfig(config, Date.now()),
        listening: toListening(config),
      });
      const ownerToken = await mintOwnerToken(keys, home.namespace, OWNER_TOKEN_LIFE_MS);
      const made = await createRayEngine({
        clock: systemClock,
        log,
        namespace: home.namespace,
        defaultNamespace: DEFAULT_NAMESPACE,
        serve: createServe({
          rest: cluster.rest,
          namespace: home.namespace,
          clock: systemClock,
          lock: createRegistryLock({ registry, clock: systemClock, log }),
        }),
        registry,
        desired,
        drivesRollouts: false,
        secretOf: ({ services }) => (services.includes("engine") ? secret : undefined),
        mintToken: (spec) => mintHostToken(secret.privateKey, spec, home.namespace),
      });
      undo.add(() => made.detach());
      const sent = sentBytes === 0 ? "package was there" : `package sent (${(sentBytes / 1e6).toFixed(1)} MB)`;
      return { value: { engine: made, token: ownerToken, packageUri: uri }, detail: `${sent}, registry` };
    });

    await phases.phase("deployed", async () => {
      const hosts = config.hosts.map((spec) => ({
        ...spec,
        package: packageUri,
        entry: HOST_ENTRY,
        replicas: isDoor(spec) && !config.pinnedReplicas.has(spec.name) ? doorsOn(cluster.nodes, spec) : spec.replicas,
      }));
      await declareHosts({ ...config, hosts }, desired);
      const { brought, lost } = await bringOwnPackages(cluster.rest, desired, home.packagesDir);
      await engine.start();
      const without = lost.length === 0 ? "" : `; without ${lost.join(", ")}, whose code is gone: deploy it again`;
      return {
        value: undefined,
        detail: `${[...config.hosts.map(({ name }) => name), ...brought].join(", ")}${without}`,
      };
    });
    await phases.phase("ready", async () => {
      await ready(engine, signal);
      return { value: undefined, detail: `${engine.topology.current().replicas.length} replicas` };
    });
    const gatewayUrl = gatewayOf(engine);
    isUp = true;
    return {
      gatewayUrl,
      urlWithToken: `${gatewayUrl}/#token=${token}`,
      startMs: performance.now() - began,
      rayVersion: cluster.version,
      nodes: cluster.nodes.map(({ address }) => address),
      hosts: engine.status().hosts,
    };
  } finally {
    await undo.run();
  }
}

/** A cluster that is not there yet is waited for; one that refuses is not. */
async function openWhenThere({ home, settings, signal, onNotice }: RayStartOptions): Promise<Cluster> {
  const giveUpAtMs = systemClock.monotonic() + CLUSTER_PATIENCE_MS;
  for (let tries = 0; ; tries++) {
    try {
      return await openCluster(settings, { namespace: home.namespace, clock: systemClock });
    } catch (error) {
      const isAway = isServiceError(error) && (error.code === "UNAVAILABLE" || error.code === "DEADLINE");
      if (!isAway || systemClock.monotonic() >= giveUpAtMs) throw error;
    }
    if (tries === 0) {
      onNotice(`No Ray answers at ${settings.address} yet; it is waited for up to ${CLUSTER_PATIENCE_MS / 1_000} s.`);
    }
    await sleep(systemClock, CLUSTER_RETRY_MS, signal);
  }
}

/**
 * A person's own host that cannot start is waited for no longer.
 * @throws StartupError as soon as one of the organism's own cannot start, or after a time.
 */
async function ready(engine: RayEngine, signal: AbortSignal): Promise<void> {
  const isReady = ({ spec, replicas }: HostStatus) =>
    replicas.filter(({ state }) => state.kind === "ready").length >= spec.replicas ||
    (isOwnHost(spec) && replicas.some(({ state }) => state.kind === "backoff"));
  const allButOwn = new Promise<void>((resolve) => {
    engine.onStatus(({ hosts }) => {
      if (hosts.some(({ spec }) => isOwnHost(spec)) && hosts.every(isReady)) resolve();
    });
  });
  const hopeless = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    engine.onStatus(({ hosts }) => {
      for (const { spec, replicas } of hosts.filter((host) => !isOwnHost(host.spec))) {
        for (const { state } of replicas) {
          if (state.kind !== "backoff") continue;
          reject(
            new StartupError("ready", `The host "${spec.name}" does not start: ${state.reason}`, [
              "Look at Ray's dashboard for its log.",
            ]),
          );
        }
      }
    });
  });
  hopeless.catch(() => {});
  await Promise.race([engine.settled(READY_WITHIN_MS), allButOwn, hopeless]);
}

const isDoor = ({ services }: HostSpec): boolean => services.includes("gateway");

/** One on each node that has room for it: wherever a program runs, there is one beside it. */
function doorsOn(nodes: readonly RayNode[], { cpus, memoryMb }: HostSpec): number {
  const roomy = nodes.filter(
    ({ resources }) => (resources["CPU"] ?? 0) >= cpus && (resources["memory"] ?? 0) >= memoryMb * 2 ** 20,
  );
  return Math.max(1, roomy.length);
}

function gatewayOf(engine: RayEngine): string {
  const gateway = engine.topology.current().replicas.find(({ services }) => services.includes("gateway"));
  if (gateway === undefined) throw new ServiceError("UNAVAILABLE", "No gateway is in the topology.");
  return gateway.address;
}

function refuseOpen(cluster: Cluster, accepted: boolean): void {
  if (!cluster.isOpen || accepted) return;
  throw new StartupError(
    "connected",
    "This cluster lets in whoever reaches its ports (RAY_AUTH_MODE=disabled): they can run code on it, and so own the organism and its keys.",
    [
      "Start the head with RAY_AUTH_MODE=token (docs/ray.md), or, where the network alone decides who comes: seedcore up --insecure-cluster",
    ],
  );
}

/** SQLite is a file: every process that writes it must be on the machine where it is, this one too. */
function refuseUnshared({ nodes }: Cluster, { databaseUrl }: Config): void {
  if (toDatabasePlace(databaseUrl).dialect !== "sqlite") return;
  const own = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
  const isHere = nodes.every(({ address }) => own.includes(address) || address.startsWith("127."));
  if (nodes.length === 1 && isHere) return;
  const why = nodes.length > 1 ? `has ${nodes.length} nodes` : `is not this machine`;
  throw new StartupError("connected", `The cluster ${why}, and SQLite is a file of one machine.`, [
    "Name a PostgreSQL that every node reaches: DATABASE_URL=postgres://user:password@host/database seedcore up",
  ]);
}
