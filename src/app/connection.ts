import { readFileSync } from "node:fs";
import { type Clock, sleep, systemClock } from "#core/clock.ts";
import type { Contract } from "#core/contract.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import type { Client } from "#runtime/client/client.ts";
import { createClient } from "#runtime/client/create-client.ts";
import { createDirectTransport, isReady } from "#runtime/client/direct-transport.ts";
import { createGatewayTransport } from "#runtime/client/gateway-transport.ts";
import { createPools } from "#runtime/client/pools.ts";
import { followTopology } from "#runtime/client/topology-follower.ts";
import type { Transport } from "#runtime/client/transport.ts";
import type { Ray } from "#runtime/ray/ray.ts";
import type { RaySurface } from "#runtime/ray/ray-surface.ts";
import type { Topology } from "#runtime/topology.ts";
import { absentRay } from "./absent-ray.ts";
import { BUILT_IN_CONTRACTS, type BuiltInContracts } from "./built-in-contracts.ts";
import type { ConnectTarget } from "./connect-target.ts";
import type { Home } from "./home.ts";
import type { RayDoor } from "./ray/ray-door.ts";
import { isRunning, readRunFile } from "./run-file.ts";

/** A live connection to one organism. Close it when done: it keeps the process alive. */
export interface Connection extends AsyncDisposable {
  /** Names what it is connected to. */
  readonly target: string;
  /** @throws ServiceError UNAVAILABLE only inside a host, and there only while no gateway is up. */
  readonly gatewayUrl: string;
  /** The typed client of a service. */
  client<C extends Contract>(contract: C): Client<C>;
  /** The typed client of a built-in service. @throws ServiceError NOT_FOUND listing the names */
  getServiceClient<N extends keyof BuiltInContracts>(name: N): Client<BuiltInContracts[N]>;
  /**
   * The Ray cluster that the organism is on. The session behind it, a process on the head, is opened by the first call that
   * needs it; it is the connection's, so a process has at most one, and ends when the connection is closed. On one machine,
   * through a gateway and inside a host whatever is asked of it fails with UNSUPPORTED, and so does what needs a session with a
   * version of Ray that nobody has run SeedCore on (SEEDCORE_RAY_ANY_VERSION=1 takes it).
   */
  readonly ray: RaySurface;
  /** The replicas that are ready now. */
  topology(): Topology;
  /** Whether the organism says that it is ready. Never throws. */
  isHealthy(): Promise<boolean>;
  close(): Promise<void>;
}

/** How long a gateway may be away, which is being started or replaced, before connecting fails. */
const GATEWAY_PATIENCE_MS = 3_000;
const GATEWAY_RETRY_MS = 100;

/** @throws ServiceError UNAVAILABLE when no organism runs there, UNAUTHENTICATED without a token that it takes. */
export async function openConnection(
  target: ConnectTarget,
  onClose: () => void,
  clock: Clock = systemClock,
): Promise<Connection> {
  const ray = await prepareRay(target, clock);
  const { url, token, topology } = await reachGateway(target, clock);
  const transport: Transport =
    target.place.kind === "gateway"
      ? createGatewayTransport({ url, token, clock })
      : createDirectTransport({ topology, token, clock });
  const pools = createPools();
  const close = async () => {
    onClose();
    if (ray !== undefined) lastSession = ray.close();
    await Promise.all([topology.close(), transport.close(), pools.close(), lastSession]);
  };
  return {
    target: target.name,
    gatewayUrl: url,
    ...createClients((contract) => createClient(contract, { transport, clock })),
    ray: ray ?? absentRay(whyNoRay(target)),
    topology: () => topology.current(),
    isHealthy: () => isReady(pools, url),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** One client for each contract, made when it is first asked for. */
export function createClients(
  make: <C extends Contract>(contract: C) => Client<C>,
): Pick<Connection, "client" | "getServiceClient"> {
  const clients = new Map<Contract, unknown>();
  const client = <C extends Contract>(contract: C): Client<C> => {
    const known = clients.get(contract) as Client<C> | undefined;
    const made = known ?? make(contract);
    clients.set(contract, made);
    return made;
  };
  return { client, getServiceClient: (name) => client(builtIn(name)) };
}

/** The end of the session of the connection before, which may still be closing: a process has one at a time. */
let lastSession: Promise<void> = Promise.resolve();

/** Connects nowhere yet. */
async function prepareRay({ place, home, runtimeEnv }: ConnectTarget, clock: Clock): Promise<Ray | undefined> {
  if (place.kind !== "ray") return undefined;
  const { createRay } = await import("#runtime/ray/ray.ts");
  const { endpoint, checksVersion } = place.settings;
  await lastSession;
  return createRay(
    { endpoint, namespace: home.namespace, checksVersion, ...(runtimeEnv && { runtimeEnv }) },
    { clock },
  );
}

function whyNoRay({ name, place }: ConnectTarget): string {
  const [why, todo] =
    place.kind === "gateway"
      ? ["leads to no cluster", "Leave SERVE_GATEWAY unset and name the cluster"]
      : ["runs without Ray", "Bring it up on a cluster and name that"];
  return `connection.ray cannot be used: ${name} ${why}. ${todo}: RAY_ADDRESS=ray://head:10001.`;
}

/** The first gateway that answers, looked for again until it is time to give up. */
async function reachGateway(target: ConnectTarget, clock: Clock) {
  const startedAtMs = clock.monotonic();
  let door: RayDoor;
  const token = () => door.token();
  /** An organism that came up anew may be elsewhere, and have another key. */
  const findGateways = async () => {
    door = await findDoor(target, clock);
    return door.gatewayUrls;
  };
  while (true) {
    const gatewayUrls = await findGateways();
    let failure: unknown;
    for (const url of gatewayUrls) {
      try {
        return { url, token, topology: await followTopology({ url, token, findGateways, clock }) };
      } catch (error) {
        if (!isAway(error)) throw error;
        failure = error;
      }
    }
    if (clock.monotonic() - startedAtMs >= GATEWAY_PATIENCE_MS) {
      const where = gatewayUrls.join(", ");
      const who = target.place.kind === "gateway" ? `The gateway ${where}` : `The gateway of ${target.name}, ${where},`;
      const message = `${who} does not answer${progressOf(target)}: ${(failure as Error).message}`;
      throw new ServiceError("UNAVAILABLE", message, { cause: failure });
    }
    await sleep(clock, GATEWAY_RETRY_MS);
  }
}

function isAway(error: unknown): boolean {
  return isServiceError(error) && (error.code === "UNAVAILABLE" || error.code === "CONNECTION_LOST");
}

/** Where to ask, and with which token. */
async function findDoor({ place, home, token }: ConnectTarget, clock: Clock): Promise<RayDoor> {
  switch (place.kind) {
    case "gateway":
      return { gatewayUrls: [place.url], token: tokenOf(token, home, clock) };
    case "local":
      return { gatewayUrls: [gatewayOf(home)], token: tokenOf(token, home, clock) };
    case "ray": {
      const { findRayDoor } = await import("./ray/ray-door.ts");
      const door = await findRayDoor(place.settings, home.namespace, clock);
      return token === undefined ? door : { ...door, token: () => token };
    }
  }
}

/** How far an organism has come that is still starting. */
function progressOf({ place, home }: ConnectTarget): string {
  const run = place.kind === "local" ? readRunFile(home.runFile) : undefined;
  return run === undefined || run.phase === "ready" ? "" : ` (it is starting and has reached "${run.phase}")`;
}

function builtIn<N extends keyof BuiltInContracts>(name: N): BuiltInContracts[N] {
  if (Object.hasOwn(BUILT_IN_CONTRACTS, name)) return BUILT_IN_CONTRACTS[name];
  const names = Object.keys(BUILT_IN_CONTRACTS).join(", ");
  throw new ServiceError("NOT_FOUND", `There is no built-in service "${name}". There are: ${names}.`);
}

/** The gateway of the organism that runs on this machine. */
function gatewayOf(home: Home): string {
  const run = readRunFile(home.runFile);
  const start = "Start one with `npm start` or `seedcore up`.";
  if (run === undefined) {
    throw new ServiceError(
      "UNAVAILABLE",
      `No organism runs in the namespace "${home.namespace}": there is no ${home.runFile}. ${start}`,
    );
  }
  if (!isRunning(run)) {
    throw new ServiceError(
      "UNAVAILABLE",
      `The organism "${home.namespace}" has ended: ${home.runFile} names process ${run.pid}, which is gone. ${start}`,
    );
  }
  return run.gatewayUrl;
}

/** How long a token that was read is used before the file is looked at again. */
const TOKEN_FRESH_MS = 30_000;

/** The given token, or the one in the token file, which may be renewed. */
function tokenOf(token: string | undefined, home: Home, clock: Clock): () => string {
  if (token !== undefined) return () => token;
  let read = "";
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.monotonic() - readAtMs > TOKEN_FRESH_MS) {
      read = readToken(home.tokenFile);
      readAtMs = clock.monotonic();
    }
    return read;
  };
}

function readToken(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw new ServiceError(
      "UNAUTHENTICATED",
      `There is no token: ${path} cannot be read, and SEEDCORE_TOKEN is not set.`,
      {
        cause,
      },
    );
  }
}
