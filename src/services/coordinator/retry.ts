/** When a failed attempt is worth another, and after how long. */
import type { Random } from "#core/random.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { TaskFailure } from "./task.ts";

export interface RetryDelays {
  /** Bound of the first delay; doubles with every attempt. */
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Full jitter: uniform between 1 ms and `baseMs * 2^(attempt - 1)`, the latter never above `maxMs`. */
export function retryDelayMs(attempt: number, delays: RetryDelays, random: Random): number {
  const bound = Math.min(delays.maxMs, delays.baseMs * 2 ** Math.min(attempt - 1, 40));
  return Math.max(1, Math.round(bound * random.next()));
}

export interface FailedAttempt {
  readonly failure: TaskFailure;
  readonly isRetryable: boolean;
}

/**
 * What an error of organism.execute means for the task. A skill says itself whether it may succeed later; of the other
 * errors those that did not start are repeated; where the outcome is unknown, only a repeatable skill is.
 */
export function judgeFailure(error: ServiceError, repeatable: boolean): FailedAttempt {
  const failure = { code: error.code, message: error.message };
  if (error.code === "SKILL_FAILED") {
    return { failure, isRetryable: (error.data as { readonly retryable: boolean }).retryable };
  }
  if (error.started === "no") return { failure, isRetryable: error.retryable };
  const isUnknown = error.started === "maybe" && (error.retryable || error.code === "CANCELLED");
  if (!isUnknown) return { failure, isRetryable: false };
  if (repeatable) return { failure, isRetryable: true };
  const message = `${error.message} It may have run and must not be repeated blindly: look at its effect; if it is missing, submit the task again.`;
  return { failure: { code: "OUTCOME_UNKNOWN", message }, isRetryable: false };
}
