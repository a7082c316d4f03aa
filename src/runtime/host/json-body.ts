/** Reading JSON from strangers. */
import { ServiceError } from "#core/service-error.ts";

/** How half a character looks in JSON: decoded UTF-8 cannot hold one, an escape can. */
const MAY_HOLD_HALVES = /\\u[dD][89a-fA-F]/;

/**
 * @throws ServiceError MALFORMED: not JSON, nested deeper than `maxDepth`, with keys that reach for prototypes, or with
 * half a character (a lone surrogate), which no database keeps: two names that differ in it would become one.
 */
export function parseJsonBody(text: string, maxDepth: number): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : "";
    throw new ServiceError("MALFORMED", `The body is not JSON: ${reason}.`, { cause: error });
  }
  inspect(value, maxDepth, maxDepth);
  if (MAY_HOLD_HALVES.test(text)) refuseHalves(value);
  return value;
}

function refuseHalves(value: unknown): void {
  if (typeof value === "string" && !value.isWellFormed()) {
    throw new ServiceError(
      "MALFORMED",
      "The body has a text with half a character (a surrogate without its other half).",
    );
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    refuseHalves(key);
    refuseHalves(member);
  }
}

function inspect(value: unknown, depthLeft: number, maxDepth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depthLeft === 0) throw new ServiceError("MALFORMED", `The body is nested deeper than ${maxDepth} levels.`);
  if (Array.isArray(value)) {
    for (const member of value) if (typeof member === "object") inspect(member, depthLeft - 1, maxDepth);
    return;
  }
  for (const key in value) {
    if (key === "__proto__" || key === "constructor" || key === "prototype") {
      throw new ServiceError("MALFORMED", `The body has a member named "${key}", which is not allowed.`);
    }
    inspect((value as Record<string, unknown>)[key], depthLeft - 1, maxDepth);
  }
}
