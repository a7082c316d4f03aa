import { ServiceError } from "#core/service-error.ts";
import type { RayHandle, RayReference } from "../pickle/ray-reference.ts";
import { type PyCall, PyTuple, type PyValue } from "../pickle/values.ts";
import { encodePickle } from "../pickle/encode-pickle.ts";
import { ActorHandle, UnresolvedActor } from "./actor-handle.ts";
import { fetchValue, putPickle, submitTask, type TaskSpec, terminate } from "./commands.ts";
import type { RequestTime } from "./datapath.ts";
import type { DriverCalls } from "./driver-calls.ts";
import { ObjectRef } from "./object-ref.ts";
import type { OpenSession, Session } from "./session.ts";
import { waitWithin } from "./wait-within.ts";

/** How long a call may take. */
export interface CallTime {
  /** Default: the client's. */
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Named arguments of Python and the time of one call. */
export interface RemoteCallOptions extends CallTime {
  readonly kwargs?: Readonly<Record<string, PyValue>>;
}

/** Makes the task of a call in the session that it will run in. */
export type MakeTask = (session: OpenSession, time: RequestTime) => Promise<TaskSpec>;

/** Runs tasks and methods within the process's session. */
export interface Runner {
  readonly session: Session;
  readonly calls: DriverCalls;
  /** Namespace of actors that name none. */
  readonly namespace: string;
  toRequestTime(time: CallTime): RequestTime;
  /** Hands a task to Ray and leaves its result in the cluster. */
  start(what: string, options: CallTime, make: MakeTask): Promise<ObjectRef>;
  /** Runs a task and takes its result. One that nobody waits for any more is cancelled. */
  call(what: string, options: CallTime, make: MakeTask): Promise<PyValue>;
  get(ref: ObjectRef, options: CallTime): Promise<PyValue>;
  /** Asks Ray to stop a task. */
  cancel(
    ref: ObjectRef,
    how: { readonly force: boolean; readonly recursive: boolean },
    options: CallTime,
  ): Promise<void>;
  /** Pickles a value; named actors in it are looked up first. */
  encode(session: OpenSession, value: PyValue, time: RequestTime): Promise<Uint8Array>;
  encodeArguments(
    session: OpenSession,
    args: readonly PyValue[],
    kwargs: Readonly<Record<string, PyValue>> | undefined,
    time: RequestTime,
  ): Promise<Uint8Array>;
  /** The id of code in a session; it is sent once. */
  codeId(session: OpenSession, name: string, code: () => PyCall, time: RequestTime): Promise<Uint8Array>;
}

/** A cancellation that does not come through matters to nobody: the session's end stops the task. */
const CANCEL_DEADLINE_MS = 10_000;

export function createRunner(
  session: Session,
  calls: DriverCalls,
  config: { readonly namespace: string; readonly deadlineMs: number },
): Runner {
  const { clock } = calls;

  const toRequestTime = ({ deadlineMs = config.deadlineMs, signal }: CallTime): RequestTime => ({
    deadlineAtMs: clock.monotonic() + deadlineMs,
    signal,
  });

  const start = async (what: string, time: RequestTime, make: MakeTask) => {
    const open = await session.use(time);
    return { open, id: await submitTask(open, what, await make(open, time), time) };
  };

  const toHandle =
    (open: OpenSession) =>
    (reference: RayReference): RayHandle => {
      if (reference.kind === "Object") return new ObjectRef(open, reference.refId);
      if (reference.kind === "Actor") return ActorHandle.unnamed(runner, open, reference.refId);
      return reference;
    };

  const stop = (open: OpenSession, id: Uint8Array, how: { force: boolean; recursive: boolean }, time: RequestTime) =>
    terminate(calls, open, "cancelling a task", { case: "taskObject", value: { id, ...how } }, time);

  const runner: Runner = {
    session,
    calls,
    namespace: config.namespace,
    toRequestTime,

    async start(what, options, make) {
      const { open, id } = await start(what, toRequestTime(options), make);
      return new ObjectRef(open, id);
    },

    async call(what, options, make) {
      const time = toRequestTime(options);
      const { open, id } = await start(what, time, make);
      const ref = new ObjectRef(open, id);
      try {
        const value = await fetchValue(open, what, id, toHandle(open), time);
        ref.release();
        return value;
      } catch (error) {
        const cancelTime = toRequestTime({ deadlineMs: CANCEL_DEADLINE_MS });
        const stopped = isGivenUp(error) ? stop(open, id, { force: false, recursive: true }, cancelTime) : undefined;
        // Ray must still know the task when it is told to stop it.
        Promise.resolve(stopped)
          .catch(() => {})
          .finally(() => ref.release());
        throw error;
      }
    },

    async get(ref, options) {
      const time = toRequestTime(options);
      const open = await session.use(time);
      return fetchValue(open, `getting the object ${ref.id}`, ref.in(open), toHandle(open), time);
    },

    async cancel(ref, how, options) {
      const time = toRequestTime(options);
      const open = await session.use(time);
      await stop(open, ref.in(open), how, time);
    },

    encodeArguments: (open, args, kwargs = {}, time) => runner.encode(open, new PyTuple([args, kwargs]), time),

    async encode(open, value, time) {
      for (;;) {
        try {
          return encodePickle(value);
        } catch (error) {
          if (!(error instanceof UnresolvedActor)) throw error;
          await error.handle.idIn(open, time);
        }
      }
    },

    codeId(open, name, code, time) {
      const what = `sending ${name}`;
      // Shared by all who wait for it, so not ended by the first of them.
      const put = () => putPickle(open, what, encodePickle(code()), toRequestTime({}));
      return waitWithin(clock, what, time, once(open.codeIds, name, put));
    },
  };
  return runner;
}

/** What `make` gave the first time; a failure is not kept. */
function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
    value.catch(() => known.delete(key));
  }
  return value;
}

function isGivenUp(error: unknown): boolean {
  return error instanceof ServiceError && (error.code === "DEADLINE" || error.code === "CANCELLED");
}
