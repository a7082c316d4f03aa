/** One call as an HTTP request; a host reads it back the same way. */
import type { Clock } from "#core/clock.ts";
import { toPath } from "#core/contract.ts";
import { HEADERS } from "../call.ts";
import { toTraceparent } from "../trace.ts";
import type { OutgoingCall } from "./transport.ts";

export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

/** The address and the body of a call: the same for every attempt. */
export interface WireTarget {
  readonly path: string;
  readonly body: string | null;
}

export function toWireTarget({ contract, procedure, input }: OutgoingCall): WireTarget {
  const path = toPath(contract.name, procedure, input);
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) {
    if (!procedure.path.includes(`{${name}}`)) rest[name] = value;
  }
  if (procedure.method === "GET" || procedure.method === "DELETE") {
    const query = toQuery(rest);
    return { path: query === "" ? path : `${path}?${query}`, body: null };
  }
  return { path, body: JSON.stringify(rest) };
}

/** The request of one attempt: what is left of the deadline is told anew each time. */
export function toWireRequest(call: OutgoingCall, target: WireTarget, token: string, clock: Clock): WireRequest {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    accept: call.procedure.stream ? "text/event-stream" : "application/json",
    [HEADERS.deadline]: String(Math.max(1, Math.ceil(call.deadlineAtMs - clock.monotonic()))),
    [HEADERS.correlation]: call.correlationId,
    [HEADERS.trace]: toTraceparent(call.trace),
    [HEADERS.priority]: call.priority,
  };
  if (target.body !== null) headers["content-type"] = "application/json";
  if (call.inner) headers[HEADERS.hop] = "1";
  if (call.idempotencyKey !== undefined) headers[HEADERS.idempotencyKey] = call.idempotencyKey;
  return { method: call.procedure.method, path: target.path, headers, body: target.body };
}

/** Undefined is left out, an array repeats its name, an object is JSON. */
function toQuery(fields: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === null) continue;
      query.append(name, typeof one === "object" ? JSON.stringify(one) : String(one));
    }
  }
  return query.toString();
}
