import type { CallOptions } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ServiceError } from "#core/service-error.ts";
import { PythonError } from "../pickle/python-error.ts";
import type { RayHandle, RayReference } from "../pickle/ray-reference.ts";
import type { PyValue } from "../pickle/values.ts";
import {
  type ClientTaskSchema,
  type ClientTaskTicket,
  ClientTask_RemoteExecType,
  type TerminateRequestSchema,
} from "../protocol/ray-client_pb.js";
import { toChunks } from "./chunks.ts";
import type { RequestTime } from "./datapath.ts";
import type { DriverCalls, DriverClient } from "./driver-calls.ts";
import { fromTaskFailure, isFailure } from "./python-failure.ts";
import type { OpenSession } from "./session.ts";
import { fromPickle, fromRefusalPickle, toPickle } from "./wire-pickle.ts";

export const EXEC = ClientTask_RemoteExecType;

/** What a task runs: code that was put, a method of an actor, or the looking up of a name. */
export interface TaskSpec {
  readonly type: ClientTask_RemoteExecType;
  /** Method, actor's name, or label. */
  readonly name: string;
  readonly payloadId?: Uint8Array;
  readonly namespace?: string;
  /** Pickle of `(args, kwargs)`. */
  readonly data: Uint8Array;
  readonly options?: PyValue;
  /** As if they stood in the decorator; read when the code is used first. */
  readonly baselineOptions?: PyValue;
}

/** Makes a handle of ours of what Ray refers to in an answer. */
export type ToHandle = (reference: RayReference) => RayHandle;

/** Stores a pickled value in the cluster; its id. */
export async function putPickle(
  session: OpenSession,
  what: string,
  pickle: Uint8Array,
  time: RequestTime,
): Promise<Uint8Array> {
  const { datapath } = session;
  const totalSize = BigInt(pickle.length);
  const bodies = function* () {
    for (const chunk of toChunks(pickle)) yield { case: "put", value: { ...chunk, totalSize } } as const;
  };
  const forget = (late: { readonly id: Uint8Array }) => dropReference(session, late.id);
  const answer = await datapath.askInChunks(what, bodies(), "put", time, forget);
  if (!answer.valid) throw fromRefusalPickle(what, answer.error);
  return answer.id;
}

/**
 * Hands a task to Ray: the id of its result, or of the actor. `onLate` gets the id that comes after the caller gave up;
 * without it Ray only forgets what it stands for.
 */
export async function submitTask(
  session: OpenSession,
  what: string,
  task: TaskSpec,
  time: RequestTime,
  onLate: (id: Uint8Array) => void = (id) => dropReference(session, id),
): Promise<Uint8Array> {
  const { datapath } = session;
  const { data, options, baselineOptions, ...rest } = task;
  const common: MessageInitShape<typeof ClientTaskSchema> = {
    ...rest,
    clientId: datapath.clientId,
    ...(options === undefined ? {} : { options: { pickledOptions: toPickle(options) } }),
    ...(baselineOptions === undefined ? {} : { baselineOptions: { pickledOptions: toPickle(baselineOptions) } }),
  };
  const bodies = function* () {
    for (const chunk of toChunks(data)) yield { case: "task", value: { ...common, ...chunk } } as const;
  };
  const late = ({ returnIds }: ClientTaskTicket) => {
    for (const id of returnIds) onLate(id);
  };
  const { valid, error, returnIds } = await datapath.askInChunks(what, bodies(), "taskTicket", time, late);
  if (!valid) throw fromRefusalPickle(what, error);
  const [id] = returnIds;
  if (id === undefined) throw new ServiceError("BAD_OUTPUT", `Ray gave no id for ${what}.`);
  return id;
}

/** The value of an object once it is there. @throws ServiceError with what its task failed of. */
export async function fetchValue(
  { datapath }: OpenSession,
  what: string,
  id: Uint8Array,
  toHandle: ToHandle,
  time: RequestTime,
): Promise<PyValue> {
  const { valid, error, data } = await datapath.fetch(what, id, time);
  if (!valid) throw fromRefusalPickle(what, error);
  const value = fromPickle(what, data, toHandle);
  if (value instanceof PythonError && isFailure(value)) throw fromTaskFailure(value, what);
  return value;
}

/** One call of Ray's driver service within a session; also ends when the session is lost, which Ray would not tell. */
export async function callInSession<T>(
  calls: DriverCalls,
  { datapath }: OpenSession,
  what: string,
  time: RequestTime,
  run: (client: DriverClient, options: CallOptions) => Promise<T>,
): Promise<T> {
  const call = { what, started: "maybe", clientId: datapath.clientId, lost: datapath.lost, ...time } as const;
  return calls.call(call, run);
}

/** Which of the objects are there; waits until `count` are, or for `timeoutMs`. */
export async function waitForObjects(
  calls: DriverCalls,
  session: OpenSession,
  ids: readonly Uint8Array[],
  { count, timeoutMs }: { readonly count: number; readonly timeoutMs: number },
  time: RequestTime,
): Promise<readonly Uint8Array[]> {
  const request = {
    objectIds: [...ids],
    numReturns: BigInt(count),
    timeout: timeoutMs / 1000,
    clientId: session.datapath.clientId,
  };
  const answer = await callInSession(calls, session, "waiting for objects", time, (client, options) =>
    client.waitObject(request, options),
  );
  if (!answer.valid) throw new ServiceError("INVALID_INPUT", "Ray refused to wait for these objects.");
  return answer.readyObjectIds;
}

/** Cancels a task or kills an actor. @throws ServiceError NOT_FOUND when Ray knows it no longer. */
export async function terminate(
  calls: DriverCalls,
  session: OpenSession,
  what: string,
  terminateType: NonNullable<MessageInitShape<typeof TerminateRequestSchema>["terminateType"]>,
  time: RequestTime,
): Promise<void> {
  const { clientId } = session.datapath;
  await callInSession(calls, session, what, time, (client, options) =>
    client.terminate({ clientId, terminateType }, options),
  );
}

function dropReference({ references }: OpenSession, id: Uint8Array): void {
  if (id.length > 0) references.claim(id, {}).release();
}
