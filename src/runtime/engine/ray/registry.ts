/** The registry of an organism on Ray, as TypeScript sees it; `ray/python/seedcore_ray.py` says what each method promises. */
import { z } from "zod";
import type { webcrypto } from "node:crypto";
import { TopologyAnswer } from "../../client/topology-request.ts";
import type { Topology } from "../../topology.ts";
import type { EngineStatus } from "../engine.ts";

/** Arguments by their Python names: Ray takes no others for an actor whose class the head cannot import. */
export type RegistryArguments = Readonly<Record<string, string | number>>;

/** Calls a method of the registry: numbers and text in, text out. Rejects with ServiceError, also after its own deadline. */
export type CallRegistry = (
  method: string,
  args: RegistryArguments,
  options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
) => Promise<string>;

const LeaseAnswer = z.object({
  replica: z.object({ id: z.string(), host: z.string(), version: z.string(), address: z.string().nullable() }),
  pid: z.int(),
  node: z.object({ id: z.string(), ip: z.string() }),
  serve: z.object({ app: z.string(), replica: z.string() }),
  state: z.object({
    kind: z.enum(["starting", "ready", "not-ready", "draining"]),
    sinceMs: z.number(),
    reason: z.string().optional(),
  }),
});
/** What a replica last said of itself. */
export type Lease = z.output<typeof LeaseAnswer>;

const StatusAnswer = z.object({
  /** The organism is being taken off the cluster: nobody may start anything of it. */
  isDown: z.boolean(),
  topology: TopologyAnswer,
  leases: z.array(LeaseAnswer),
  /** By application key. */
  hosts: z.record(z.string(), z.object({ weight: z.number() })),
});
export type RegistryStatus = z.output<typeof StatusAnswer>;

/** What replicas need to start, by key; what is not named stays as it was. Never in Serve's configuration. */
export interface DepositPatch {
  readonly down?: boolean;
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly publicKey?: webcrypto.JsonWebKey;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly listening?: Listening;
  readonly engine?: EngineStatus;
  /** By application key; null forgets it. */
  readonly hosts?: Readonly<Record<string, HostDeposit | null>>;
}

/** Where hosts listen, from their next start on. */
export interface Listening {
  /** One that stands for all of the node's; its own address when absent. */
  readonly bindAddress?: string;
  /** First and last port of hosts without a fixed one; any free port when absent. */
  readonly portRange?: readonly [number, number];
}

export interface HostDeposit {
  readonly token?: string;
  readonly weight?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** What only this host gets, over its standard input. */
  readonly secret?: unknown;
  /** What it gets in place of everybody's. */
  readonly instead?: Pick<DepositPatch, "dataDir" | "databaseUrl" | "config" | "engine">;
}

export interface Registry {
  /** Resolves with a topology other than `seen`, or with the present one after `waitMs`. */
  listen(seen: Topology, waitMs: number, signal: AbortSignal): Promise<Topology>;
  status(): Promise<RegistryStatus>;
  /** Durable when it resolves. */
  deposit(patch: DepositPatch): Promise<void>;
  /** Resolves with a count other than `seen` once somebody wrote desired state, or after `waitMs`. */
  listenDesired(seen: number, waitMs: number, signal: AbortSignal): Promise<number>;
  /** Takes the lock `name` for `ttlMs`, or extends it. False when another holds it. */
  acquire(name: string, holder: string, ttlMs: number): Promise<boolean>;
  release(name: string, holder: string): Promise<void>;
  /** Deletes what it keeps in Ray's KV. */
  forget(): Promise<void>;
}

const CALL_MS = 10_000;

export function createRegistry(call: CallRegistry): Registry {
  const short = (method: string, args: RegistryArguments = {}) => call(method, args, { deadlineMs: CALL_MS });
  const long = (method: string, args: RegistryArguments, waitMs: number, signal: AbortSignal) =>
    call(method, { ...args, wait_s: waitMs / 1_000 }, { deadlineMs: waitMs + CALL_MS, signal });
  return {
    listen: async ({ epoch, version }, waitMs, signal) =>
      TopologyAnswer.parse(JSON.parse(await long("listen", { epoch, version }, waitMs, signal))),
    status: async () => StatusAnswer.parse(JSON.parse(await short("status"))),
    async deposit(patch) {
      await short("deposit", { patch: JSON.stringify(patch) });
    },
    async listenDesired(seen, waitMs, signal) {
      const answer: unknown = JSON.parse(await long("listen_desired", { seen }, waitMs, signal));
      return z.object({ count: z.int() }).parse(answer).count;
    },
    async acquire(name, holder, ttlMs) {
      const answer: unknown = JSON.parse(await short("acquire", { name, holder, ttl_s: ttlMs / 1_000 }));
      return z.object({ acquired: z.boolean() }).parse(answer).acquired;
    },
    async release(name, holder) {
      await short("release", { name, holder });
    },
    async forget() {
      await short("forget");
    },
  };
}
