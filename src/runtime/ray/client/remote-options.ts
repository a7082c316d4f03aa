import { PyCall, type PyDict, PyGlobal, type PyValue } from "../pickle/values.ts";
import type { ObjectRef } from "./object-ref.ts";

/** Each argument, or a reference to it in the cluster: Ray puts the object in its place. */
export type Arguments<A extends readonly unknown[]> = {
  readonly [I in keyof A]: (A[I] & PyValue) | ObjectRef<A[I]>;
};

/** What tasks and actors need and where they may run; what is left out is Ray's default. */
export interface PlacementOptions {
  /** CPUs that are set aside. More than any node has: the call waits until its deadline, as a node may still come. */
  readonly numCpus?: number;
  readonly numGpus?: number;
  readonly memoryBytes?: number;
  /** Custom resources of nodes. */
  readonly resources?: Readonly<Record<string, number>>;
  /** Ray's runtime environment, with remote URIs only: `{ working_dir: "gcs://…", env_vars: {…}, pip: […] }`. */
  readonly runtimeEnv?: PyDict;
  /** `SPREAD` over the nodes, or `DEFAULT`; or the node it is on while that lives. */
  readonly schedulingStrategy?: "DEFAULT" | "SPREAD" | { readonly nodeId: string };
}

/** How a task runs. */
export interface TaskOptions extends PlacementOptions {
  /** How often Ray repeats it after a crash of its worker; -1: without end. Ray's default is 3. */
  readonly maxRetries?: number;
  /** Also repeats it when it raises. */
  readonly retryExceptions?: boolean;
}

/** How an actor is made. */
export interface ActorOptions extends PlacementOptions {
  /** Under which it is found again, in its namespace. */
  readonly name?: string;
  /** Default: the client's. */
  readonly namespace?: string;
  /** `detached`: it outlives the session and is found by its name. */
  readonly lifetime?: "detached";
  /** Gives the actor that has the name already, if there is one; its arguments are then ignored. */
  readonly getIfExists?: boolean;
  /** How often Ray starts it again after a crash, with empty memory; -1: without end. */
  readonly maxRestarts?: number;
  /** How often Ray repeats a call that a crash interrupted. */
  readonly maxTaskRetries?: number;
  /** Calls at a time; those that wait inside count. */
  readonly maxConcurrency?: number;
  /** Calls at a time of each group. */
  readonly concurrencyGroups?: Readonly<Record<string, number>>;
}

/** How one call of a method runs. */
export interface MethodOptions {
  /** A group of the actor's `concurrencyGroups`. */
  readonly concurrencyGroup?: string;
  /** How often Ray repeats this call when a crash of the actor interrupts it. */
  readonly maxTaskRetries?: number;
}

export function toTaskOptions(name: string, options: TaskOptions): PyDict {
  return {
    name,
    ...placement(options),
    max_retries: options.maxRetries,
    retry_exceptions: options.retryExceptions,
  };
}

export function toActorOptions(namespace: string, options: ActorOptions): PyDict {
  return {
    ...placement(options),
    ...(options.name === undefined ? {} : { name: options.name, namespace: options.namespace ?? namespace }),
    lifetime: options.lifetime,
    get_if_exists: options.getIfExists,
    max_restarts: options.maxRestarts,
    max_task_retries: options.maxTaskRetries,
    max_concurrency: options.maxConcurrency,
  };
}

/** Ray takes groups from the decorator only. */
export function toActorBaseline({ concurrencyGroups }: ActorOptions): PyDict | undefined {
  return concurrencyGroups === undefined ? undefined : { concurrency_groups: concurrencyGroups };
}

export function toMethodOptions({ concurrencyGroup, maxTaskRetries }: MethodOptions): PyDict | undefined {
  if (concurrencyGroup === undefined && maxTaskRetries === undefined) return undefined;
  return { concurrency_group: concurrencyGroup, max_task_retries: maxTaskRetries };
}

function placement(options: PlacementOptions): PyDict {
  return {
    num_cpus: options.numCpus,
    num_gpus: options.numGpus,
    memory: options.memoryBytes,
    resources: options.resources,
    runtime_env: options.runtimeEnv,
    scheduling_strategy: toStrategy(options.schedulingStrategy),
  };
}

function toStrategy(strategy: PlacementOptions["schedulingStrategy"]): PyValue | undefined {
  if (typeof strategy !== "object") return strategy;
  const affinity = new PyGlobal("ray.util.scheduling_strategies", "NodeAffinitySchedulingStrategy");
  // Soft: elsewhere when that node is no more.
  return new PyCall(affinity, [strategy.nodeId, true]);
}
