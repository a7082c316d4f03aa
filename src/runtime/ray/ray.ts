/**
 * Ray from TypeScript: objects, tasks, actors of a cluster, over one session of Ray's client protocol. For control, not
 * for data: a call costs milliseconds, and everything passes one Python process on the head.
 */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { type ActorHandle, type AnyMethods, createNamedHandle, type Methods } from "./client/actor-handle.ts";
import { type ActorClass, createActorClass } from "./client/actor-class.ts";
import { type ClusterStore, createClusterStore } from "./client/cluster-store.ts";
import {
  fetchDashboardUrl,
  fetchNodes,
  fetchResources,
  type RayNode,
  type RayResources,
} from "./client/cluster-state.ts";
import type { ImportName } from "./client/code.ts";
import { putPickle, waitForObjects } from "./client/commands.ts";
import { createDriverCalls } from "./client/driver-calls.ts";
import { toJobConfig } from "./client/job-config.ts";
import { ObjectRef } from "./client/object-ref.ts";
import type { ActorOptions, TaskOptions } from "./client/remote-options.ts";
import { type CallTime, createRunner } from "./client/runner.ts";
import { createSession, type SessionState } from "./client/session.ts";
import { createTask, type Task } from "./client/task.ts";
import { openWire, type RayEndpoint, type Wire } from "./client/wire.ts";
import type { PyDict, PyValue } from "./pickle/values.ts";

export interface RayOptions {
  readonly endpoint: RayEndpoint;
  /** Where names of actors live. */
  readonly namespace: string;
  /**
   * Ray's runtime environment of the session and all it starts, with remote URIs only. A `working_dir` makes its modules
   * importable for tasks and actors.
   */
  readonly runtimeEnv?: PyDict;
  /** How long a call may take that says nothing else, opening the session included. @default 60000 */
  readonly deadlineMs?: number;
}

export interface RayDeps {
  readonly clock: Clock;
  /** @default a connection over HTTP/2 */
  readonly openWire?: (endpoint: RayEndpoint) => Promise<Wire>;
}

/** What is ready, and what is not. */
export interface WaitResult<T> {
  readonly ready: readonly ObjectRef<T>[];
  readonly pending: readonly ObjectRef<T>[];
}

/**
 * A Ray cluster. The session behind it is opened by the first call that needs one, and again after a loss; what was in
 * flight then fails with CONNECTION_LOST (may have run) or UNAVAILABLE (has not). Objects and unnamed actors end with
 * their session. Every failure is a ServiceError; PYTHON_EXCEPTION for what Python code raised.
 */
export interface Ray extends AsyncDisposable {
  /** Ray's key-value store; needs no session. */
  readonly store: ClusterStore;
  readonly state: SessionState["kind"];
  /** Versions on the other side, and how many tries opening the session took. */
  versions(options?: CallTime): Promise<{ readonly ray: string; readonly python: string; readonly tries: number }>;
  /** Stores a value in the cluster. */
  put<T extends PyValue>(value: T, options?: CallTime): Promise<ObjectRef<T>>;
  /** The value of an object, once it is there. Nothing checks that it is a `T`. */
  get<T>(ref: ObjectRef<T>, options?: CallTime): Promise<T>;
  /** Waits until `count` objects are there (default 1), or `timeoutMs` is over; fetches nothing. */
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
  /** `host:port` of the dashboard, as the head knows it; undefined where there is none. */
  dashboardUrl(options?: CallTime): Promise<string | undefined>;
  /** Ends the session, and with it everything that is not detached. */
  close(): Promise<void>;
}

const DEFAULT_DEADLINE_MS = 60_000;

/** Prepares a cluster; connects nowhere yet. */
export function createRay(options: RayOptions, deps: RayDeps): Ray {
  const { endpoint, namespace, runtimeEnv, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  const open = deps.openWire ?? openWire;
  const calls = createDriverCalls({ clock: deps.clock, openWire: () => open(endpoint) }, endpoint.token);
  const jobConfig = runtimeEnv === undefined ? undefined : toJobConfig(namespace, runtimeEnv);
  const session = createSession({ namespace, jobConfig, openDeadlineMs: deadlineMs }, { calls });
  const runner = createRunner(session, calls, { namespace, deadlineMs });

  const close = async () => {
    await session.close();
    calls.close();
  };

  return {
    store: createClusterStore(calls, { deadlineMs }),
    get state() {
      return session.state.kind;
    },
    async versions(time = {}) {
      const { versions, tries } = await session.use(runner.toRequestTime(time));
      return { ...versions, tries };
    },
    async put<T extends PyValue>(value: T, time: CallTime = {}) {
      const requestTime = runner.toRequestTime(time);
      const opened = await session.use(requestTime);
      const pickle = await runner.encode(opened, value, requestTime);
      return new ObjectRef<T>(opened, await putPickle(opened, "putting an object", pickle, requestTime));
    },
    async get<T>(ref: ObjectRef<T>, time: CallTime = {}) {
      return (await runner.get(ref, time)) as T;
    },
    async wait(refs, { count = 1, timeoutMs, signal }) {
      const time = runner.toRequestTime({ deadlineMs: timeoutMs + deadlineMs, signal });
      const opened = await session.use(time);
      const ids = refs.map((ref) => ref.in(opened));
      if (count > refs.length || new Set(refs.map(({ id }) => id)).size < refs.length) {
        const given = `Cannot wait for ${count} of ${refs.length} objects`;
        throw new ServiceError("INVALID_INPUT", `${given}: give each object once, and at least as many.`);
      }
      const found = await waitForObjects(calls, opened, ids, { count, timeoutMs }, time);
      const ready = new Set(found.map((id) => Buffer.from(id).toString("hex")));
      return {
        ready: refs.filter(({ id }) => ready.has(id)),
        pending: refs.filter(({ id }) => !ready.has(id)),
      };
    },
    task: (name, taskOptions = {}) => createTask(runner, name, taskOptions),
    actor: (name, actorOptions = {}) => createActorClass(runner, name, actorOptions),
    async getActor(name, { namespace: other = namespace, ...time } = {}) {
      return createNamedHandle(runner, { name, namespace: other }, time);
    },
    async cancel(ref, { force = false, recursive = true, ...time } = {}) {
      await runner.cancel(ref, { force, recursive }, time);
    },
    async nodes(time = {}) {
      const requestTime = runner.toRequestTime(time);
      return fetchNodes(calls, await session.use(requestTime), requestTime);
    },
    async resources(time = {}) {
      const requestTime = runner.toRequestTime(time);
      return fetchResources(calls, await session.use(requestTime), requestTime);
    },
    async dashboardUrl(time = {}) {
      const requestTime = runner.toRequestTime(time);
      return fetchDashboardUrl(calls, await session.use(requestTime), requestTime);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
