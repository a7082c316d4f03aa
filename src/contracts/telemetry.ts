/** telemetry: the platform itself — hosts, replicas, and the sources it watches. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { CallGraph } from "./cognitive.ts";

const HostName = z.string().min(1).max(60);
/** Of one host. */
export const MOST_REPLICAS = 64;
const UNKNOWN_HOST = z.object({ host: z.string(), known: z.array(z.string()) });

export const ReplicaInfo = z.object({
  id: z.string(),
  pid: z.int().nullable(),
  /** The machine it runs on, where there are several. */
  node: z.string().nullable(),
  version: z.string(),
  restarts: z.int(),
  state: z.enum(["starting", "ready", "draining", "backoff", "stopped"]),
  sinceMs: z.number(),
  address: z.string().nullable(),
  /** Why it waits in backoff; while it starts, what it waits for and what it has said, as far as that is known. */
  reason: z.string().nullable(),
  residentBytes: z.number().nullable(),
});

/** Name of a version of a host. */
export const RolloutVersion = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,40}$/);

const Figures = z.object({ calls: z.int(), errors: z.int() });

export const Rollout = z.object({
  host: z.string(),
  /** Versions. */
  from: z.string(),
  to: z.string(),
  /** `returned`: it was taken back, and everything is as before. */
  state: z.enum(["starting", "step", "finished", "returned"]),
  /** Of the calls and shards, that the new version has now. */
  percent: z.number(),
  steps: z.array(z.int()),
  everyMs: z.number(),
  startedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  /** Why it was taken back. */
  reason: z.string().nullable(),
  /** Calls to the present version since the rollout began; errors are failures of the host, not of its callers. */
  old: Figures,
  /** Calls to the new version in the last step. */
  next: Figures,
});
export type Rollout = z.output<typeof Rollout>;

export const HostInfo = z.object({
  name: z.string(),
  generation: z.int(),
  /** The resolved host spec. Values of environment variables are not shown. */
  spec: z.record(z.string(), z.json()),
  replicas: z.array(ReplicaInfo),
  /** What `rollBackHost` leads to; null for one that has no version to go back to. */
  previous: z.object({ version: z.string(), package: z.string() }).nullable().default(null),
  /** The last one, whether it goes on or not. */
  rollout: Rollout.nullable().default(null),
});

/** A long-lived source: it runs inside the organism, once, and goes on after a restart. */
export const SourceSpec = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("host"), intervalMs: z.int().min(100).default(1_000) }),
  z.object({ kind: z.literal("services"), intervalMs: z.int().min(100).default(1_000) }),
  z.object({
    kind: z.literal("prometheus"),
    url: z.url().describe("Base URL of the server, such as http://localhost:9090"),
    queries: z
      .array(z.object({ name: z.string().min(1).max(100), query: z.string().min(1).max(5_000) }))
      .min(1)
      .max(100),
    stepMs: z.int().min(1_000).default(15_000),
    /** How far back to begin the first time. */
    backfillMs: z.int().nonnegative().default(0),
    /** Allow addresses of private networks; loopback always is. */
    allowPrivate: z.boolean().default(false),
    secret: z
      .string()
      .regex(/^[A-Z][A-Z0-9_]{0,60}$/)
      .optional()
      .describe(
        "NAME of the organism's environment variable SEEDCORE_SECRET_<NAME> that holds the Authorization header",
      ),
  }),
]);
export type SourceSpec = z.output<typeof SourceSpec>;

export const SourceStatus = z.object({
  name: z.string(),
  spec: SourceSpec,
  /** waiting: nothing delivered yet · running · failing: it repeats what failed, with backoff. */
  state: z.enum(["running", "waiting", "failing"]),
  /** Points scored in the source's whole life. */
  points: z.int(),
  /** Time of the newest scored point. */
  lastPointAtMs: z.number().nullable(),
  /** Share of a backfill that is done, 0 to 1; null without one. */
  backfillRatio: z.number().nullable(),
  /** What fails, while it is failing. */
  error: z.string().nullable(),
});
export type SourceStatus = z.output<typeof SourceStatus>;
export type HostInfo = z.output<typeof HostInfo>;

/** What the organism is on, where that is a cluster. */
export const ClusterInfo = z.object({
  /** Those that are alive. */
  nodes: z.array(z.object({ address: z.string(), isHead: z.boolean(), cpus: z.number(), memoryBytes: z.number() })),
  /** Those with a name in the organism's namespace; the state is Ray's word. */
  actors: z.array(z.object({ name: z.string(), state: z.string(), restarts: z.int(), pid: z.int().nullable() })),
  /** Of Ray Serve, the organism's; the state is Serve's word, the route that of its proxies. */
  applications: z.array(z.object({ name: z.string(), state: z.string(), route: z.string().nullable() })),
  /** Why nodes or actors may be missing above, in Ray's words where it has any. */
  warnings: z.array(z.string()).default([]),
});
export type ClusterInfo = z.output<typeof ClusterInfo>;

export const telemetry = defineContract("telemetry", {
  summary: "The platform itself: hosts, replicas, and the sources it watches.",
  state: "single",
  procedures: {
    status: procedure({
      summary: "The whole organism at a glance.",
      method: "GET",
      path: "/status",
      input: z.object({}),
      output: z.object({
        namespace: z.string(),
        version: z.string(),
        startedAtMs: z.number(),
        engine: z.enum(["embedded", "ray"]),
        hosts: z.array(HostInfo),
        sources: z.array(SourceStatus),
        /** Null on one machine, and until a cluster has been looked at. */
        cluster: ClusterInfo.nullable().default(null),
      }),
    }),
    scaleHost: procedure({
      summary: "Sets how many replicas of a host should run.",
      method: "PUT",
      path: "/hosts/{host}/replicas",
      input: z.object({ host: HostName, replicas: z.int().min(0).max(MOST_REPLICAS) }),
      output: z.object({ host: z.string(), replicas: z.int(), previous: z.int() }),
      errors: { UNKNOWN_HOST },
    }),
    restartHost: procedure({
      summary: "Replaces every replica of a host one by one, new before old; safe to ask from within that host.",
      method: "POST",
      path: "/hosts/{host}/restart",
      input: z.object({ host: HostName }),
      output: z.object({ host: z.string(), generation: z.int() }),
      errors: { UNKNOWN_HOST },
    }),
    startRollout: procedure({
      summary: "Runs a new version beside the present one and gives it the traffic step by step; errors take it back.",
      method: "POST",
      path: "/hosts/{host}/rollout",
      scope: "admin",
      input: z.object({
        host: HostName,
        version: RolloutVersion.describe("Name of the new version"),
        package: z.string().min(1).max(1_000).describe("Folder of its build, or on Ray the URI of its package"),
        entry: z.string().min(1).max(200).default("host.js").describe("The host's program within it"),
        steps: z.array(z.int().min(1).max(100)).min(1).max(20).default([5, 25, 100]).describe("Percent of the calls"),
        everyMs: z
          .int()
          .min(1_000)
          .max(7 * 86_400_000)
          .default(30_000)
          .describe("How long each step lasts"),
      }),
      output: Rollout,
      errors: { UNKNOWN_HOST },
    }),
    rollout: procedure({
      summary: "The last rollout of a host, whether it goes on or not.",
      method: "GET",
      path: "/hosts/{host}/rollout",
      input: z.object({ host: HostName }),
      output: z.object({ rollout: Rollout.nullable() }),
      errors: { UNKNOWN_HOST },
    }),
    abortRollout: procedure({
      summary: "Takes back the rollout that goes on.",
      method: "DELETE",
      path: "/hosts/{host}/rollout",
      input: z.object({ host: HostName }),
      output: z.object({ aborted: z.boolean(), rollout: Rollout.nullable() }),
      errors: { UNKNOWN_HOST },
    }),
    deployHost: procedure({
      summary:
        "Starts a host of a person's own beside what it replaces and waits until it is ready; one that does not start is taken back.",
      method: "PUT",
      path: "/hosts/{host}",
      input: z.object({
        host: HostName,
        spec: z.record(z.string(), z.json()).describe("As `seedcore deploy` makes it: package, services, contracts …"),
        /** How long it may take until every replica is ready; one minute on one machine and three on Ray when left out. */
        readyWithinMs: z.int().min(1_000).max(220_000).optional(),
      }),
      output: z.object({ host: HostInfo, changed: z.boolean() }),
      errors: {
        DEPLOY_FAILED: z.object({
          host: z.string(),
          reason: z.string(),
          /** Whether the version before it serves on. */
          restored: z.boolean(),
        }),
      },
      deadlineMs: 240_000,
      scope: "admin",
    }),
    rollBackHost: procedure({
      summary: "Makes of a host of a person's own what it was before its last change; twice is there and back.",
      method: "POST",
      path: "/hosts/{host}/rollback",
      input: z.object({ host: HostName }),
      output: z.object({ host: z.string(), version: z.string(), previous: z.string(), generation: z.int() }),
      errors: { UNKNOWN_HOST },
      scope: "admin",
    }),
    removeHost: procedure({
      summary: "Stops and forgets a host of a person's own.",
      method: "DELETE",
      path: "/hosts/{host}",
      input: z.object({ host: HostName }),
      output: z.object({ removed: z.boolean() }),
      scope: "admin",
    }),
    callGraph: procedure({
      summary: "Who calls whom, with figures of the newest seconds and of the time before a moment.",
      method: "GET",
      path: "/call-graph",
      input: z.object({
        /** When the first thing moved; the newest window's beginning when left out. */
        sinceMs: z.coerce.number().int().nonnegative().optional(),
        /** Length of the newest window and of the one before, in seconds. */
        nowS: z.coerce.number().int().min(1).max(600).default(10),
        beforeS: z.coerce.number().int().min(1).max(1_800).default(120),
      }),
      output: CallGraph,
    }),
    putSource: procedure({
      summary: "Begins to watch a source, or changes how.",
      method: "PUT",
      path: "/sources/{name}",
      input: z.object({ name: z.string().regex(/^[a-z][a-z0-9-]{0,60}$/), spec: SourceSpec }),
      output: SourceStatus,
    }),
    removeSource: procedure({
      summary: "Stops watching a source; what was scored stays.",
      method: "DELETE",
      path: "/sources/{name}",
      input: z.object({ name: z.string() }),
      output: z.object({ removed: z.boolean() }),
    }),
    sources: procedure({
      summary: "The watched sources and how they fare.",
      method: "GET",
      path: "/sources",
      input: z.object({}),
      output: z.object({ sources: z.array(SourceStatus) }),
    }),
  },
});
