/** W3C trace context: made, passed on, and read from the `traceparent` header. */
import type { Random } from "#core/random.ts";
import type { Trace } from "./call.ts";

export function newTrace(random: Random): Trace {
  return { traceId: hex(random, 32), spanId: hex(random, 16), sampled: true };
}

/** A span below `parent`, in the same trace. */
export function childTrace(parent: Trace, random: Random): Trace {
  return { traceId: parent.traceId, spanId: hex(random, 16), sampled: parent.sampled };
}

export function toTraceparent(trace: Trace): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? "01" : "00"}`;
}

/** Undefined for what is no `traceparent` of a version this code can read. */
export function fromTraceparent(header: string): Trace | undefined {
  const match = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(header);
  if (!match) return undefined;
  const [, traceId = "", spanId = "", flags = ""] = match;
  // All-zero ids are invalid by the specification.
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

function hex(random: Random, digits: number): string {
  let text = "";
  while (text.length < digits) text += ((random.next() * 0x1_0000_0000) >>> 0).toString(16).padStart(8, "0");
  return text;
}
