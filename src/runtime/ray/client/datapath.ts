import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { type CallScope, openCallScope } from "../../client/call-scope.ts";
import {
  type DataRequest,
  DataRequestSchema,
  type DataResponse,
  type GetResponse,
  RayletDataStreamer,
} from "../protocol/ray-client_pb.js";
import { createChunkJoiner } from "./chunks.ts";
import { createRequestIds } from "./request-ids.ts";
import { createSendQueue } from "./send-queue.ts";
import { fromStreamError } from "./wire-error.ts";

type RequestBody = NonNullable<MessageInitShape<typeof DataRequestSchema>["type"]>;
type ResponseBody = DataResponse["type"];
type Responses = { [B in Extract<ResponseBody, { case: string }> as B["case"]]: B["value"] };
type ResponseCase = keyof Responses;
type ResponseOf<C extends ResponseCase> = Responses[C];

/** How long a caller waits, and who may call it off. */
export interface RequestTime {
  /** Monotonic milliseconds. */
  readonly deadlineAtMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The one stream of an open session: requests out, answers in, matched by id. Each request settles exactly once: with its
 * answer, with DEADLINE or CANCELLED, or, when the stream is lost, with what `onLost` was told.
 */
export interface Datapath {
  /** Names this session to Ray; also what a reference of it carries. */
  readonly clientId: string;
  /** Aborts with the ServiceError of the loss. */
  readonly lost: AbortSignal;
  /** Sends a request of one message. `what` names it in errors: "creating the actor x". */
  ask<C extends ResponseCase>(what: string, body: RequestBody, expected: C, time: RequestTime): Promise<ResponseOf<C>>;
  /**
   * Sends a request in pieces that nothing comes between. `onLate` gets the answer that comes after its caller gave up:
   * what Ray made meanwhile is to be freed.
   */
  askInChunks<C extends ResponseCase>(
    what: string,
    bodies: Iterable<RequestBody>,
    expected: C,
    time: RequestTime,
    onLate?: (answer: ResponseOf<C>) => void,
  ): Promise<ResponseOf<C>>;
  /** The pickle of an object once it exists; pieces are put together. A refusal comes back as Ray sent it. */
  fetch(what: string, objectId: Uint8Array, time: RequestTime): Promise<GetResponse>;
  /** Says good-bye, so that Ray frees everything at once, and ends the stream; waits at most `deadlineAtMs`. */
  close(time: RequestTime): Promise<void>;
  /** Gives the stream up for `reason`: everything that waits fails. */
  fail(reason: ServiceError): void;
}

export interface DatapathOptions {
  readonly transport: Transport;
  readonly clientId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** For tests: the request id before the first. */
  readonly lastRequestId?: number;
}

/** How long Ray's process for this session may leave a question unanswered that needs no work. */
export const SILENCE_MS = 10_000;

interface Pending {
  sent: boolean;
  /** Takes an answer; true when it was the last. @throws Error when it cannot be right. */
  readonly accept: (body: ResponseBody) => boolean;
  readonly fail: (error: ServiceError) => void;
}

/** Opens the stream. The first request must be `init`: Ray starts a server process for it. */
export function openDatapath(options: DatapathOptions): Datapath {
  const { transport, clientId, headers, clock } = options;
  const pending = new Map<number, Pending>();
  const nextId = createRequestIds((id) => pending.has(id), options.lastRequestId);
  const queue = createSendQueue<DataRequest>();
  const stream = new AbortController();
  const lost = new AbortController();

  const fail = (reason: ServiceError) => {
    if (lost.signal.aborted) return;
    lost.abort(reason);
    for (const { sent, fail: settle } of pending.values()) settle(asSeenBy(sent, reason));
    queue.end();
    stream.abort(reason);
  };

  const accept = ({ reqId, type }: DataResponse) => {
    // Nobody waits any more: its deadline passed, or its caller left.
    const request = pending.get(reqId);
    if (request === undefined) return;
    if (request.accept(type)) pending.delete(reqId);
  };

  const read = async () => {
    const client = createClient(RayletDataStreamer, transport);
    const answers = client.datapath(queue, {
      headers: { ...headers, client_id: clientId, reconnecting: "False" },
      signal: stream.signal,
    });
    for await (const answer of answers) accept(answer);
    throw new ServiceError("CONNECTION_LOST", "Ray ended the session.");
  };
  read().catch((error: unknown) => fail(fromStreamError(error)));

  function send<T>(
    what: string,
    bodies: Iterable<RequestBody>,
    take: (body: ResponseBody) => T | undefined,
    time: RequestTime,
    onLate?: (answer: T) => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (lost.signal.aborted) return reject(asSeenBy(false, lost.signal.reason));
      const id = nextId();
      let scope: CallScope | undefined;
      const settle = () => {
        pending.delete(id);
        scope?.release();
      };
      const entry: Pending = {
        sent: false,
        accept(body) {
          const value = take(body);
          if (value === undefined) return false;
          settle();
          resolve(value);
          return true;
        },
        fail(error) {
          settle();
          reject(error);
        },
      };
      pending.set(id, entry);
      const takeBack = queue.push(numbered(id, bodies), () => {
        entry.sent = true;
      });
      scope = openCallScope(clock, what, time.deadlineAtMs, [time.signal]);
      const { signal } = scope;
      const giveUp = () => {
        takeBack();
        if (entry.sent && isServiceError(signal.reason) && signal.reason.code === "DEADLINE") void checkSilence();
        entry.fail(asSeenBy(entry.sent, signal.reason));
        if (entry.sent && onLate !== undefined) pending.set(id, abandoned(take, onLate));
      };
      if (signal.aborted) giveUp();
      else signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  const askInChunks: Datapath["askInChunks"] = (what, bodies, expected, time, onLate) =>
    send(what, bodies, (body) => expect(body, expected), time, onLate);
  const ask: Datapath["ask"] = (what, body, expected, time) => askInChunks(what, [body], expected, time);

  /** After an answer that did not come: pings reach Ray's proxy only, and the process behind it may stand still. */
  let isChecking = false;
  async function checkSilence(): Promise<void> {
    if (isChecking) return;
    isChecking = true;
    const time = { deadlineAtMs: clock.monotonic() + SILENCE_MS };
    try {
      await ask("asking whether Ray still answers", { case: "connectionInfo", value: {} }, "connectionInfo", time);
    } catch (error) {
      const silent = `Ray's process for this session has not answered for ${SILENCE_MS / 1_000} s.`;
      if ((error as ServiceError).code === "DEADLINE") fail(new ServiceError("CONNECTION_LOST", silent));
    } finally {
      isChecking = false;
    }
  }

  return {
    clientId,
    lost: lost.signal,
    ask,
    askInChunks,
    fetch(what, objectId, time) {
      const joiner = createChunkJoiner();
      const request = { ids: [objectId], asynchronous: true, startChunkId: 0 };
      const take = (body: ResponseBody) => {
        const answer = expect(body, "get");
        if (!answer.valid) return answer;
        const data = joiner.add(answer);
        return data === undefined ? undefined : { ...answer, data };
      };
      return send(what, [{ case: "get", value: request }], take, time);
    },
    async close(time) {
      if (lost.signal.aborted) return;
      const goodBye = ask("closing the session", { case: "connectionCleanup", value: {} }, "connectionCleanup", time);
      queue.end();
      // Ray frees the session's things by itself when the stream ends; the answer only makes it sooner.
      await goodBye.catch(() => {});
      fail(new ServiceError("CANCELLED", "The Ray session was closed."));
    },
    fail,
  };
}

/** Keeps the place of a request whose caller left. */
function abandoned<T>(take: (body: ResponseBody) => T | undefined, onLate: (answer: T) => void): Pending {
  return {
    sent: true,
    accept(body) {
      const value = take(body);
      if (value !== undefined) onLate(value);
      return value !== undefined;
    },
    fail() {},
  };
}

function* numbered(reqId: number, bodies: Iterable<RequestBody>): Generator<DataRequest> {
  for (const type of bodies) yield create(DataRequestSchema, { reqId, type });
}

function expect<C extends ResponseCase>(body: ResponseBody, expected: C): ResponseOf<C> {
  if (body.case !== expected) throw new Error(`Ray answered with ${body.case ?? "nothing"} instead of ${expected}.`);
  return body.value as Responses[C];
}

/** The same failure for a request that had, or had not, left: only what was not sent has certainly not started. */
function asSeenBy(sent: boolean, reason: ServiceError): ServiceError {
  if (sent || reason.notStarted) return reason;
  const code = reason.code === "CONNECTION_LOST" ? "UNAVAILABLE" : reason.code;
  return new ServiceError(code, reason.message, { started: "no", cause: reason });
}
