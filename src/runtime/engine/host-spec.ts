/** The host spec: which services one kind of process serves, how many of it, and within which limits. */
import { z } from "zod";
import { ContractDescription } from "../contract-description.ts";

export const HostSpec = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,40}$/)
    .describe("Unique; names the log file and the replicas"),
  services: z.array(z.string()).min(1),
  replicas: z.int().min(0).max(64).default(1),
  /** Cores each replica may count on. Reserved on Ray; advice on one machine. */
  cpus: z.number().positive().default(0.25),
  /** Memory limit of each replica; Node's heap is kept below it. */
  memoryMb: z.int().min(64).default(512),
  gpus: z.number().nonnegative().default(0),
  /** Custom resources by name, for placement on Ray. */
  resources: z.record(z.string(), z.number().positive()).default({}),
  /** Calls a replica works on at once. */
  maxConcurrency: z.int().positive().default(256),
  /** Calls that may wait beyond that; more are refused as OVERLOADED. */
  maxQueue: z.int().nonnegative().default(1024),
  /** The longest a call may take, whatever its caller allows. */
  maxDeadlineMs: z.int().positive().default(300_000),
  /** How long a replica may finish what it has begun after it was told to stop: {@link drainMsOf}. */
  drainMs: z.int().positive().optional(),
  maxBodyBytes: z
    .int()
    .positive()
    .default(8 * 1024 * 1024),
  maxJsonDepth: z.int().positive().default(32),
  env: z.record(z.string(), z.string()).default({}),
  /** Fixed port; 0 takes a free one. {@link whyNotReplicas} says how many may share one. */
  port: z.int().min(0).max(65_535).default(0),
  /** Version of the code, as the topology shows it. */
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,40}$/)
    .default("1"),
  /**
   * Where its code is: on Ray a package such as `gcs://_ray_pkg_….zip`, on one machine the folder of a build; when empty,
   * there, that of the supervisor.
   */
  package: z.string().default(""),
  /** The host's program within the package. */
  entry: z.string().default("host.js"),
  /** Of a person's own services: what callers must know of them. The built-in ones are known without. */
  contracts: z.array(ContractDescription).default([]),
  /** On Ray: Python packages its replicas need beside `ray[serve]`, such as one that brings Node. */
  pip: z.array(z.string()).default([]),
});
export type HostSpec = z.output<typeof HostSpec>;

/** Whether it is a person's own: it gets procedures, and no database, configuration or engine of the organism's. */
export function isOwnHost({ contracts }: Pick<HostSpec, "contracts">): boolean {
  return contracts.length > 0;
}

/**
 * How long a replica may finish what it has begun: as long as a call may take, unless the spec says otherwise. It goes as
 * soon as each of its calls was answered, which is by that call's own deadline.
 */
export function drainMsOf({ drainMs, maxDeadlineMs }: Pick<HostSpec, "drainMs" | "maxDeadlineMs">): number {
  return drainMs ?? maxDeadlineMs;
}

/** Why a host cannot have so many replicas; undefined when it can. */
export function whyNotReplicas(
  { name, port }: Pick<HostSpec, "name" | "port">,
  replicas: number,
  engine: "embedded" | "ray",
): string | undefined {
  // On Ray each is on a node of its own.
  if (engine === "ray" || port === 0 || replicas <= 1) return undefined;
  return `The host "${name}" has the fixed port ${port}, so ${replicas} replicas of it cannot run on one machine: use port 0, or one replica.`;
}

export type HostSpecInput = z.input<typeof HostSpec>;
