/** Ray from TypeScript, over one session of Ray's client protocol. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { createNamedHandle } from "./client/actor-handle.ts";
import { createActorClass } from "./client/actor-class.ts";
import { type ClusterStore, createClusterStore } from "./client/cluster-store.ts";
import { type CallTime, LONGEST_MS } from "./client/call-time.ts";
import { fetchDashboardUrl, fetchNodes, fetchResources } from "./client/cluster-state.ts";
import { putPickle, waitForObjects } from "./client/commands.ts";
import { createDriverCalls } from "./client/driver-calls.ts";
import { toJobConfig } from "./client/job-config.ts";
import { ObjectRef } from "./client/object-ref.ts";
import { createRunner } from "./client/runner.ts";
import { createSession, type SessionState } from "./client/session.ts";
import { createTask } from "./client/task.ts";
import { openWire, type RayEndpoint, type Wire } from "./client/wire.ts";
import type { PyDict, PyValue } from "./pickle/values.ts";
import type { RaySurface } from "./ray-surface.ts";
import { checkVersion } from "./supported-versions.ts";

export interface RayOptions {
  readonly endpoint: RayEndpoint;
  /** Where names of actors live. */
  readonly namespace: string;
  /**
   * Ray's runtime environment of the session and all it starts, with remote URIs only. A `working_dir` makes its modules
   * importable for tasks and actors.
   */
  readonly runtimeEnv?: PyDict;
  /** Whether a Ray that SeedCore was not run on is refused with UNSUPPORTED when a session opens. @default false */
  readonly checksVersion?: boolean;
  /** How long a call may take that says nothing else, opening the session included. @default 60000 */
  readonly deadlineMs?: number;
}

export interface RayDeps {
  readonly clock: Clock;
  /** @default a connection over HTTP/2 */
  readonly openWire?: (endpoint: RayEndpoint) => Promise<Wire>;
}

/** A Ray cluster, with what only those need who bring organisms up on it. */
export interface Ray extends RaySurface, AsyncDisposable {
  /** Ray's key-value store; needs no session. */
  readonly store: ClusterStore;
  readonly state: SessionState["kind"];
  /** Versions on the other side, and how many tries opening the session took. */
  versions(options?: CallTime): Promise<{ readonly ray: string; readonly python: string; readonly tries: number }>;
  /** `host:port` of the dashboard, as the head knows it; undefined where there is none. */
  dashboardUrl(options?: CallTime): Promise<string | undefined>;
  /** Ends the session, and with it everything that is not detached. */
  close(): Promise<void>;
}

const DEFAULT_DEADLINE_MS = 60_000;

/** Prepares a cluster; connects nowhere yet. */
export function createRay(options: RayOptions, deps: RayDeps): Ray {
  const { endpoint, namespace, runtimeEnv, checksVersion = false, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  const open = deps.openWire ?? openWire;
  const calls = createDriverCalls({ clock: deps.clock, openWire: () => open(endpoint) }, endpoint.token);
  const jobConfig = runtimeEnv === undefined ? undefined : toJobConfig(namespace, runtimeEnv);
  const session = createSession(
    { namespace, jobConfig, openDeadlineMs: deadlineMs, checkVersion: checksVersion ? checkVersion : undefined },
    { calls },
  );
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
    async wait(refs, { count = 1, timeoutMs: givenMs, signal }) {
      if (!(givenMs >= 0)) throw new ServiceError("INVALID_INPUT", `Cannot wait for ${givenMs} ms.`, { started: "no" });
      const timeoutMs = Math.min(givenMs, LONGEST_MS);
      const time = runner.toRequestTime({ deadlineMs: timeoutMs + deadlineMs, signal });
      const opened = await session.use(time);
      const ids = refs.map((ref) => ref.in(opened));
      const isCount = Number.isInteger(count) && count > 0 && count <= refs.length;
      if (!isCount || new Set(refs.map(({ id }) => id)).size < refs.length) {
        const given = `Cannot wait for ${count} of ${refs.length} objects`;
        throw new ServiceError(
          "INVALID_INPUT",
          `${given}: give each object once, and a whole count from 1 to as many.`,
        );
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
