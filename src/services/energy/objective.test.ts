import fc from "fast-check";
import { expect, it } from "vitest";
import type { UnifiedState } from "#contracts/energy.ts";
import { evaluate, gradientOf, problemOf, WEIGHTS } from "./objective.ts";

const share = fc.double({ min: 0.05, max: 1, noNaN: true });
const roles = fc.tuple(share, share, share).map((row) => {
  const sum = row[0] + row[1] + row[2];
  return row.map((one) => one / sum);
});
const aState = fc.integer({ min: 1, max: 4 }).chain((n) =>
  fc.record({
    h: fc.array(fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { minLength: 3, maxLength: 3 }), {
      minLength: n,
      maxLength: n,
    }),
    p: fc.array(roles, { minLength: n, maxLength: n }),
    w: fc.option(
      fc.array(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: n, maxLength: n }), {
        minLength: n,
        maxLength: n,
      }),
      { nil: undefined },
    ),
    s: fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { maxLength: 3 }),
    anomalies: fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { maxLength: 3 }),
    cost: fc.double({ min: 0, max: 3, noNaN: true }),
    drift: fc.option(fc.double({ min: 0, max: 3, noNaN: true }), { nil: undefined }),
  }),
);
const full = (state: object): UnifiedState => state as unknown as UnifiedState;

// Also for affinities that are not mutual, where the original's gradient was half of what it must be.
it("has the gradient that small steps show", () => {
  fc.assert(
    fc.property(aState, (given) => {
      const state = full(given);
      const gradient = gradientOf(state);
      const step = 1e-5;
      for (const part of ["h", "p"] as const) {
        for (const [i, row] of state[part].entries()) {
          for (const k of row.keys()) {
            const moved = (by: number) => {
              const rows = state[part].map((one) => [...one]);
              (rows[i] as number[])[k] = (row[k] as number) + by;
              return evaluate({ ...state, [part]: rows }).total;
            };
            const slope = (moved(step) - moved(-step)) / (2 * step);
            expect(Math.abs((gradient[part][i]?.[k] ?? 0) - slope)).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

it("is bounded below, the same for agents in another order, and the sum of its terms", () => {
  fc.assert(
    fc.property(aState, (given) => {
      const state = full(given);
      const { total, terms } = evaluate(state);
      const most = Math.max(1, ...(state.w ?? []).flat().map(Math.abs));
      expect(total).toBeGreaterThanOrEqual(-most - WEIGHTS.entropy * Math.log(3) - 1e-9);
      expect(Object.values(terms).reduce<number>((sum, term = 0) => sum + term, 0)).toBeCloseTo(total, 12);
      const w = state.w === undefined ? {} : { w: state.w.toReversed().map((row) => row.toReversed()) };
      const turned = { ...state, h: state.h.toReversed(), p: state.p.toReversed(), ...w };
      expect(evaluate(turned).total).toBeCloseTo(total, 10);
    }),
  );
});

it("rises with what is not routine and with what is spent", () => {
  const calm = full({ h: [[1, 0]], p: [[0.2, 0.3, 0.5]], s: [], anomalies: [], cost: 0 });
  expect(evaluate({ ...calm, anomalies: [2] }).total - evaluate(calm).total).toBeCloseTo(2);
  expect(evaluate({ ...calm, cost: 1 }).total).toBeGreaterThan(evaluate(calm).total);
});

// A term that was always 0 looked like something that had been measured and found calm.
it("has no term of what nobody measures", () => {
  const calm = full({ h: [[1, 0]], p: [[0.2, 0.3, 0.5]], s: [], anomalies: [], cost: 0 });
  expect(Object.keys(evaluate(calm).terms)).toEqual(["pair", "entropy", "regularity", "cost", "anomaly"]);
  const { total, terms } = evaluate({ ...calm, drift: 2, patterns: [{ weight: 0.5, value: 3 }] });
  expect(terms).toMatchObject({ drift: 1, patterns: -1.5 });
  expect(total - evaluate(calm).total).toBeCloseTo(-0.5);
});

it("says what is wrong with a state", () => {
  expect(problemOf(full({ h: [[1]], p: [], s: [], anomalies: [], cost: 0 }))).toContain("h is of 1");
  expect(problemOf(full({ h: [[1]], p: [[1, 1, 1]], s: [], anomalies: [], cost: 0 }))).toContain("sum to 1");
});
