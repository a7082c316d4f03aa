/** Whether and when a failed attempt is repeated. */
import type { Random } from "#core/random.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { OutgoingCall } from "./transport.ts";

export interface AttemptHistory {
  /** Attempts that failed so far, this one included. */
  readonly failed: number;
  /** Whether an attempt that may have started was repeated already. */
  readonly repeatedLost: boolean;
  /** Whether a replica is left that was not asked yet. */
  readonly hasFresh: boolean;
}

const BASE_DELAY_MS = 10;
const MAX_DELAY_MS = 500;

/** Refusals that another replica, or the same one a little later, may not repeat. */
const PASSING: ReadonlySet<string> = new Set(["UNAVAILABLE", "DRAINING", "NOT_OWNER", "NOT_READY", "OVERLOADED"]);

/**
 * Milliseconds to wait before the next attempt; undefined when there must be none. What certainly did not start is
 * repeated by every caller until the deadline; an answer that was lost on the way is asked for once more, by the first
 * caller only and only when the procedure is idempotent.
 */
export function planRepeat(
  error: ServiceError,
  call: Pick<OutgoingCall, "procedure" | "inner" | "deadlineAtMs">,
  history: AttemptHistory,
  nowMs: number,
  random: Random,
): number | undefined {
  if (!isRefusal(error) && !isLostOnce(error, call, history)) return undefined;
  // Full jitter (Brooker 2015): callers that failed together do not come back together.
  const delayMs = random.next() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** Math.min(history.failed, 10));
  // A replica says when *it* has room again; another one need not be waited for.
  const waitMs = history.hasFresh ? delayMs : Math.max(delayMs, error.retryAfterMs ?? 0);
  return nowMs + waitMs < call.deadlineAtMs ? waitMs : undefined;
}

export function isLost(error: ServiceError): boolean {
  return error.code === "CONNECTION_LOST";
}

/** Whether the replica could not be reached; one that was and has no room says so without a cause. */
export function isUnreached(error: ServiceError): boolean {
  return error.code === "UNAVAILABLE" && error.notStarted && error.cause !== undefined;
}

function isRefusal(error: ServiceError): boolean {
  if (error.started !== "no" || !PASSING.has(error.code)) return false;
  return error.code !== "OVERLOADED" || error.retryAfterMs !== undefined;
}

function isLostOnce(
  error: ServiceError,
  call: Pick<OutgoingCall, "procedure" | "inner">,
  history: AttemptHistory,
): boolean {
  return isLost(error) && call.procedure.idempotent && !call.inner && !history.repeatedLost;
}
