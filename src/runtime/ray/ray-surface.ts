/** What programs do with a Ray cluster. */
import type { ActorClass } from "./client/actor-class.ts";
import type { ActorHandle, AnyMethods, Methods } from "./client/actor-handle.ts";
import type { CallTime } from "./client/call-time.ts";
import type { RayNode, RayResources } from "./client/cluster-view.ts";
import type { ImportName } from "./client/code.ts";
import type { ObjectRef } from "./client/object-ref.ts";
import type { ActorOptions, TaskOptions } from "./client/remote-options.ts";
import type { Task } from "./client/task.ts";
import type { PyValue } from "./pickle/values.ts";

/** What is ready, and what is not. */
export interface WaitResult<T> {
  readonly ready: readonly ObjectRef<T>[];
  readonly pending: readonly ObjectRef<T>[];
}

/**
 * Objects, tasks and actors of a Ray cluster. For control, not for data: a call costs milliseconds, and everything passes one
 * Python process on the head, the session. It is opened by the first call that needs one, and again by the first after a loss;
 * what was in flight then fails with CONNECTION_LOST (may have run) or UNAVAILABLE (has not). Objects and unnamed actors end
 * with their session. Every failure is a ServiceError; PYTHON_EXCEPTION for what Python code raised.
 */
export interface RaySurface {
  /** Stores a value in the cluster. */
  put<T extends PyValue>(value: T, options?: CallTime): Promise<ObjectRef<T>>;
  /** The value of an object, once it is there. Nothing checks that it is a `T`. */
  get<T>(ref: ObjectRef<T>, options?: CallTime): Promise<T>;
  /** Waits until `count` objects are there (default 1), or `timeoutMs` is over, which may be `Infinity`; fetches nothing. */
  wait<T>(
    refs: readonly ObjectRef<T>[],
    options: { readonly count?: number; readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<WaitResult<T>>;
  /**
   * A Python function, by where it is imported from; the workers import it.
   * @example
   * const add = ray.task<(a: number, b: number) => number>("operator:add");
   * await add.call([1, 2]); // 3
   */
  task<F extends (...args: never) => unknown = (...args: PyValue[]) => PyValue>(
    name: ImportName,
    options?: TaskOptions,
  ): Task<F>;
  /**
   * A Python class, by where it is imported from. Ray's server on the head imports it too.
   * @example
   * const counters = ray.actor<{ add(n: number): number }>("my.counters:Counter", { name: "hits", lifetime: "detached", getIfExists: true });
   * const counter = await counters.create([]);
   * await counter.call("add", [1]);
   */
  actor<M extends Methods = AnyMethods>(name: ImportName, options?: ActorOptions): ActorClass<M>;
  /**
   * An actor by its name. Where Ray's server on the head cannot import its class (the session has another `runtimeEnv`),
   * its methods take named arguments only.
   * @throws ServiceError NOT_FOUND.
   */
  getActor<M extends Methods = AnyMethods>(
    name: string,
    options?: CallTime & { readonly namespace?: string },
  ): Promise<ActorHandle<M>>;
  /**
   * Stops a task: one that waits is dropped, one that runs gets a KeyboardInterrupt, or with `force` its worker is killed.
   * Methods of actors cannot be forced.
   */
  cancel(
    ref: ObjectRef,
    options?: CallTime & { readonly force?: boolean; readonly recursive?: boolean },
  ): Promise<void>;
  nodes(options?: CallTime): Promise<readonly RayNode[]>;
  resources(options?: CallTime): Promise<RayResources>;
}
