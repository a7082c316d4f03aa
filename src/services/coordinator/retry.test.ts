import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode } from "#core/error-codes.ts";
import { ServiceError } from "#core/service-error.ts";
import { judgeFailure, retryDelayMs } from "./retry.ts";

// Retries of many tasks that come back together bring down again what had just come up.
it("spreads retries over the whole of a growing, bounded span", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 0.999_999, noNaN: true }),
      (attempt, chance) => {
        const delays = { baseMs: 10_000, maxMs: 300_000 };
        const bound = Math.min(300_000, 10_000 * 2 ** (attempt - 1));
        const delayMs = retryDelayMs(attempt, delays, { next: () => chance });
        expect(delayMs).toBeGreaterThanOrEqual(1);
        expect(delayMs).toBeLessThanOrEqual(bound);
        expect(Math.abs(delayMs - bound * chance)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

describe("failed attempts", () => {
  it("asks the skill itself whether another attempt can help", () => {
    for (const retryable of [true, false]) {
      const error = new ServiceError("SKILL_FAILED", "no", { data: { skill: "notify", reason: "no", retryable } });
      expect(judgeFailure(error, false).isRetryable).toBe(retryable);
    }
  });

  it("repeats what must not run twice only when it certainly did not start", () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      const error = new ServiceError(code, "no");
      const { isRetryable, failure } = judgeFailure(error, false);
      if (isRetryable) expect(error.started).toBe("no");
      if (error.started === "maybe" && error.retryable) expect(failure.code).toBe("OUTCOME_UNKNOWN");
    }
  });

  it("fails at once what no repeat can change", () => {
    for (const code of ["UNKNOWN_TASK_TYPE", "BAD_PARAMS", "INTERNAL", "FORBIDDEN", "OUTCOME_UNKNOWN"]) {
      expect(judgeFailure(new ServiceError(code, "no"), true).isRetryable).toBe(false);
    }
  });
});
