import { ServiceError } from "#core/service-error.ts";
import type { RayHandle, RayReference } from "../pickle/ray-reference.ts";
import { type PyCall, PyTuple, type PyValue } from "../pickle/values.ts";
import { ActorHandle, UnresolvedActor } from "./actor-handle.ts";
import { type CallTime, LONGEST_MS } from "./call-time.ts";
import { fetchValue, putPickle, submitTask, type TaskSpec, terminate } from "./commands.ts";
import type { RequestTime } from "./datapath.ts";
import type { DriverCalls } from "./driver-calls.ts";
import { ObjectRef } from "./object-ref.ts";
import type { OpenSession, Session } from "./session.ts";
import { waitWithin } from "./wait-within.ts";
import { toPickle } from "./wire-pickle.ts";

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

  const toRequestTime = ({ deadlineMs = config.deadlineMs, signal }: CallTime): RequestTime => {
    if (Number.isNaN(deadlineMs))
      throw new ServiceError("INVALID_INPUT", "deadlineMs is no number.", { started: "no" });
    return { deadlineAtMs: clock.monotonic() + Math.min(deadlineMs, LONGEST_MS), signal };
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

  /** Stops a task that nobody waits for any more. Ray must still know it when it is told to stop it, so `ref` goes after that. */
  const abandon = (open: OpenSession, id: Uint8Array, ref = new ObjectRef(open, id)) => {
    const time = toRequestTime({ deadlineMs: CANCEL_DEADLINE_MS });
    stop(open, id, { force: false, recursive: true }, time)
      .catch(() => {})
      .finally(() => ref.release());
  };

  const start = async (what: string, time: RequestTime, make: MakeTask) => {
    const open = await session.use(time);
    const id = await submitTask(open, what, await make(open, time), time, (late) => abandon(open, late));
    return { open, id, ref: new ObjectRef(open, id) };
  };

  const runner: Runner = {
    session,
    calls,
    namespace: config.namespace,
    toRequestTime,

    async start(what, options, make) {
      return (await start(what, toRequestTime(options), make)).ref;
    },

    async call(what, options, make) {
      const time = toRequestTime(options);
      const { open, id, ref } = await start(what, time, make);
      try {
        const value = await fetchValue(open, what, id, toHandle(open), time);
        ref.release();
        return value;
      } catch (error) {
        if (isGivenUp(error)) abandon(open, id, ref);
        else ref.release();
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
          return toPickle(value);
        } catch (error) {
          if (!(error instanceof UnresolvedActor)) throw error;
          await error.handle.idIn(open, time);
        }
      }
    },

    codeId(open, name, code, time) {
      const what = `sending ${name}`;
      // Shared by all who wait for it, so not ended by the first of them.
      const put = () => putPickle(open, what, toPickle(code()), toRequestTime({}));
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
