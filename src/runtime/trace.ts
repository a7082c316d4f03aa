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

const BYTES: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Every call has such ids, so they are put together from a table: `toString(16)` takes ten times as long. */
function hex(random: Random, digits: number): string {
  let text = "";
  for (let done = 0; done < digits; done += 8) {
    const bits = (random.next() * 0x1_0000_0000) >>> 0;
    text += `${BYTES[bits >>> 24]}${BYTES[(bits >>> 16) & 255]}${BYTES[(bits >>> 8) & 255]}${BYTES[bits & 255]}`;
  }
  return text;
}
