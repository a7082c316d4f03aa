import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { procedure } from "#core/contract.ts";
import { ERROR_CODES, type ErrorCode } from "#core/error-codes.ts";
import { seededRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { planRepeat } from "./repeat-plan.ts";

const change = procedure({ summary: "", method: "POST", path: "/x", input: z.object({}), output: z.object({}) });
const read = procedure({ summary: "", method: "GET", path: "/x", input: z.object({}), output: z.object({}) });

const failure = fc
  .record({
    code: fc.constantFrom(...(Object.keys(ERROR_CODES) as ErrorCode[]), "OWN_ERROR"),
    started: fc.constantFrom("no" as const, "maybe" as const, "yes" as const, undefined),
    retryAfterMs: fc.option(fc.nat(100_000), { nil: undefined }),
  })
  .map(({ code, started, retryAfterMs }) => {
    const options = { ...(started && { started }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    return new ServiceError(code, "x", options);
  });
const history = fc.record({
  failed: fc.integer({ min: 1, max: 1_000 }),
  repeatedLost: fc.boolean(),
  hasFresh: fc.boolean(),
});
const times = fc.record({ nowMs: fc.nat(1_000_000), leftMs: fc.nat(60_000) });

describe("for any failure", () => {
  test("the next attempt begins before the deadline", () => {
    fc.assert(
      fc.property(
        failure,
        history,
        times,
        fc.boolean(),
        fc.integer(),
        (error, past, { nowMs, leftMs }, inner, seed) => {
          const call = { procedure: read, inner, deadlineAtMs: nowMs + leftMs };
          const waitMs = planRepeat(error, call, past, nowMs, seededRandom(seed));
          if (waitMs === undefined) return;
          expect(waitMs).toBeGreaterThanOrEqual(0);
          expect(nowMs + waitMs).toBeLessThan(call.deadlineAtMs);
        },
      ),
    );
  });

  test("what may have started is never repeated unless it is idempotent, and never by an inner caller", () => {
    fc.assert(
      fc.property(failure, history, times, fc.integer(), (error, past, { nowMs, leftMs }, seed) => {
        if (error.started === "no") return;
        const deadlineAtMs = nowMs + leftMs;
        const random = seededRandom(seed);
        expect(
          planRepeat(error, { procedure: change, inner: false, deadlineAtMs }, past, nowMs, random),
        ).toBeUndefined();
        expect(planRepeat(error, { procedure: read, inner: true, deadlineAtMs }, past, nowMs, random)).toBeUndefined();
        const once = { ...past, repeatedLost: true };
        expect(planRepeat(error, { procedure: read, inner: false, deadlineAtMs }, once, nowMs, random)).toBeUndefined();
      }),
    );
  });
});

describe("each kind of failure", () => {
  const plan = (error: ServiceError, overrides = {}) =>
    planRepeat(
      error,
      { procedure: change, inner: true, deadlineAtMs: 10_000 },
      { failed: 1, repeatedLost: false, hasFresh: false, ...overrides },
      0,
      { next: () => 0.5 },
    );

  test("refusals are repeated by anybody; an overloaded replica only when it says when", () => {
    for (const code of ["UNAVAILABLE", "DRAINING", "NOT_OWNER", "NOT_READY"]) {
      expect(plan(new ServiceError(code, "x"))).toBe(10);
    }
    expect(plan(new ServiceError("OVERLOADED", "x"))).toBeUndefined();
    expect(plan(new ServiceError("OVERLOADED", "x", { retryAfterMs: 700 }))).toBe(700);
  });

  test("another replica need not be waited for as long as the one that refused", () => {
    expect(plan(new ServiceError("OVERLOADED", "x", { retryAfterMs: 700 }), { hasFresh: true })).toBe(10);
  });

  test("a wrong input, an expired deadline and a broken disk are not repeated, though nothing started", () => {
    for (const code of ["INVALID_INPUT", "EXPIRED", "STORAGE", "FORBIDDEN", "NOT_FOUND"]) {
      expect(plan(new ServiceError(code, "x"))).toBeUndefined();
    }
  });

  test("waits grow to half a second and stay there", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 100].map((failed) => plan(new ServiceError("DRAINING", "x"), { failed }));
    expect(waits).toEqual([10, 20, 40, 80, 160, 250, 250, 250]);
  });
});
