/** What the headers of a request say about the call. */
import type { IncomingHttpHeaders } from "node:http";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { HEADERS, type Priority, type Trace } from "../call.ts";
import { childTrace, fromTraceparent, newTrace } from "../trace.ts";

const CORRELATION_ID = /^[\w.:@-]{1,100}$/;
const PRIORITIES: ReadonlySet<string> = new Set<Priority>(["critical", "normal", "background"]);
const MAX_KEY_LENGTH = 200;

/** The caller's correlation id; a new one where there is none or it is no plain word of at most 100 characters. */
export function correlationIdOf(headers: IncomingHttpHeaders, ids: Ids): string {
  const given = headers[HEADERS.correlation];
  return typeof given === "string" && CORRELATION_ID.test(given) ? given : ids.next("cor");
}

/** A span of its own below the caller's, or a new trace. */
export function traceOf(headers: IncomingHttpHeaders, random: Random): Trace {
  const given = headers[HEADERS.trace];
  const parent = typeof given === "string" ? fromTraceparent(given) : undefined;
  return parent === undefined ? newTrace(random) : childTrace(parent, random);
}

export function priorityOf(headers: IncomingHttpHeaders): Priority {
  const given = headers[HEADERS.priority];
  return typeof given === "string" && PRIORITIES.has(given) ? (given as Priority) : "normal";
}

/** Milliseconds the caller still waits. @throws ServiceError MALFORMED for what is no number. */
export function remainingMsOf(headers: IncomingHttpHeaders): number | undefined {
  const given = headers[HEADERS.deadline];
  if (given === undefined) return undefined;
  const remainingMs = given === "" ? Number.NaN : Number(given);
  if (Number.isFinite(remainingMs)) return remainingMs;
  throw new ServiceError(
    "MALFORMED",
    `The header ${HEADERS.deadline} is "${String(given)}", not a number of milliseconds.`,
  );
}

/** @throws ServiceError MALFORMED for an empty or overlong key. */
export function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers[HEADERS.idempotencyKey];
  if (given === undefined) return undefined;
  if (typeof given === "string" && given.length > 0 && given.length <= MAX_KEY_LENGTH) return given;
  throw new ServiceError("MALFORMED", `An idempotency key has 1 to ${MAX_KEY_LENGTH} characters.`);
}
