import fc from "fast-check";
import { expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { calibrate } from "./calibration.ts";

it("changes nothing much before there are outcomes", () => {
  const { correct, brierRaw } = calibrate([]);
  for (const raw of [0, 0.1, 0.5, 0.77, 1]) expect(correct(raw)).toBeCloseTo(raw, 5);
  expect(brierRaw).toBeNull();
});

// Somebody who says 90 % and is right half of the time must be believed half.
it("corrects one who is too sure of himself", () => {
  const random = seededRandom(3);
  const outcomes = Array.from({ length: 400 }, () => {
    const raw = 0.6 + 0.4 * random.next();
    return { raw, wasRight: random.next() < raw - 0.35 };
  });
  const { correct, brierRaw, brierCorrected, bins } = calibrate(outcomes);
  expect(correct(0.9)).toBeLessThan(0.7);
  expect(brierCorrected ?? 1).toBeLessThan((brierRaw ?? 0) - 0.05);
  expect(bins.reduce((sum, { predictions }) => sum + predictions, 0)).toBe(400);
});

// The line went on to 1 at 1: of 99.75 %, wrong thirty times of thirty, 91 % was left.
it("corrects the surest and the least sure as far as the rest of their bin", () => {
  const said = (raw: number, wasRight: boolean) => calibrate(Array.from({ length: 30 }, () => ({ raw, wasRight })));
  expect(said(0.9975, false).correct(0.9975)).toBeLessThan(0.5);
  expect(said(0.9975, true).correct(0.9975)).toBeGreaterThan(0.98);
  expect(said(0.0025, true).correct(0.0025)).toBeGreaterThan(0.5);
});

it("never turns a greater confidence into a smaller one, and stays within 0 and 1", () => {
  const outcome = fc.record({ raw: fc.double({ min: 0, max: 1, noNaN: true }), wasRight: fc.boolean() });
  const aRaw = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(outcome, { maxLength: 60 }), aRaw, aRaw, (outcomes, a, b) => {
      const { correct } = calibrate(outcomes);
      const [low, high] = [correct(Math.min(a, b)), correct(Math.max(a, b))];
      expect(low).toBeLessThanOrEqual(high + 1e-9);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(1);
    }),
  );
});
