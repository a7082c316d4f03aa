/** One HTTP request to a URL that somebody gave: no redirects, a bounded answer, and only to addresses that are allowed. */
import { lookup } from "node:dns";
import { type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import type { Clock } from "#core/clock.ts";
import { formatDuration } from "#core/duration.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { checkOutgoingUrl, guardedLookup } from "#runtime/outgoing-address.ts";

export interface OutgoingRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Addresses of private networks too. */
  readonly allowPrivate: boolean;
  /** This machine's own addresses too. */
  readonly allowLoopback: boolean;
  /** How long the whole answer may take. */
  readonly withinMs: number;
  readonly clock: Pick<Clock, "after">;
  readonly signal: AbortSignal;
}

export interface OutgoingAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The first 64 KiB, as UTF-8. */
  readonly body: string;
  readonly isTruncated: boolean;
}

/** The connection failed. `sent` says whether the request may have reached the other side. */
export class RequestFailed extends Error {
  override readonly name = "RequestFailed";
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.sent = sent;
  }
}

const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Sends it and reads the answer, whatever its status.
 * @throws ServiceError FORBIDDEN for an address that is not allowed, INVALID_INPUT for a URL that cannot be asked;
 * RequestFailed when there was no answer; the signal's reason when it aborts.
 */
export async function sendOutgoing(outgoing: OutgoingRequest): Promise<OutgoingAnswer> {
  const url = checkUrl(outgoing);
  const { clock, withinMs } = outgoing;
  const late = new AbortController();
  const stopClock = clock.after(withinMs, () => late.abort());
  const sent = send(url, { ...outgoing, signal: AbortSignal.any([outgoing.signal, late.signal]) });
  try {
    return await readAnswer(await answerOf(sent));
  } catch (error) {
    outgoing.signal.throwIfAborted();
    const refusal = isServiceError(error) ? error : (error as Error).cause;
    if (isServiceError(refusal)) throw refusal;
    const reason = late.signal.aborted
      ? `no whole answer within ${formatDuration(withinMs)}`
      : (error as Error).message;
    throw new RequestFailed(
      `${outgoing.method} ${url.origin} failed: ${reason}.`,
      sent.reusedSocket || sent.writableFinished,
      error,
    );
  } finally {
    stopClock();
    sent.destroy();
  }
}

function checkUrl({ url: text, allowPrivate, allowLoopback }: OutgoingRequest): URL {
  const url = checkOutgoingUrl(text, allowPrivate);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (!allowLoopback && isLoopback(host)) throw loopbackRefused(host);
  return url;
}

function send(
  url: URL,
  { method, headers, body, allowPrivate, allowLoopback, signal }: OutgoingRequest,
): ClientRequest {
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  return request(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }) },
    // A fresh connection each time, made to the very address that was checked: a name cannot change in between.
    agent: false,
    lookup: withoutLoopback(allowPrivate ? (lookup as LookupFunction) : guardedLookup, allowLoopback),
    signal,
  }).end(body);
}

function withoutLoopback(resolve: LookupFunction, allowLoopback: boolean): LookupFunction {
  if (allowLoopback) return resolve;
  return (hostname, options, callback) => {
    resolve(hostname, options, (error, address, family) => {
      const found = typeof address === "string" ? [address] : (address ?? []).map((one) => one.address);
      if (error === null && found.some(isLoopback)) return callback(loopbackRefused(hostname), "", 4);
      return callback(error, address, family);
    });
  };
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");
// Nobody's address; a connection to it is made to this machine.
loopback.addSubnet("0.0.0.0", 8);
loopback.addAddress("::", "ipv6");

function isLoopback(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 6 ? "ipv6" : "ipv4");
}

function loopbackRefused(host: string): ServiceError {
  return new ServiceError(
    "FORBIDDEN",
    `${host} is an address of this machine, which skills do not ask unless the configuration sets services.organism.allowLoopback.`,
  );
}

function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => sent.once("response", resolve).once("error", reject));
}

async function readAnswer(answer: IncomingMessage): Promise<OutgoingAnswer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) break;
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) if (value !== undefined) headers[name] = String(value);
  return {
    status: answer.statusCode ?? 0,
    headers,
    body: Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString("utf8"),
    isTruncated: sizeBytes > MAX_ANSWER_BYTES,
  };
}
