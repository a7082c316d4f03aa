import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { createValve, toIncrement } from "./valve.ts";

const UNIT = { mean: 0, shiftedMean: 1, sd: 1 } as const;
const CLIPPED = { mean: 0.1, shiftedMean: 0.3, sd: 0.15, clip: [0, 1] } as const;

describe("valve", () => {
  it("adds the log-likelihood ratio, never falls below zero and starts again after a crossing", () => {
    const valve = createValve({ ...UNIT, threshold: 2 });
    expect(valve.update(-3)).toEqual({ statistic: 0, crossed: false });
    expect(valve.update(2)).toEqual({ statistic: 1.5, crossed: false });
    expect(valve.update(1)).toEqual({ statistic: 2, crossed: true });
    expect(valve.update(1)).toEqual({ statistic: 0.5, crossed: false });
  });

  it("notices a fall as it notices a rise", () => {
    const rise = createValve({ ...UNIT, threshold: 3 });
    const fall = createValve({ mean: 0, shiftedMean: -1, sd: 1, threshold: 3 });
    fc.assert(
      fc.property(fc.double({ min: -10, max: 10, noNaN: true }), (x) => {
        expect(fall.update(-x)).toEqual(rise.update(x));
      }),
    );
  });

  it("takes every observation beyond an edge as the same tail", () => {
    for (const [inside, outside] of [
      [0, -100],
      [1, 100],
    ] as const) {
      const one = createValve({ ...CLIPPED, threshold: 20 });
      const other = createValve({ ...CLIPPED, threshold: 20 });
      one.update(0.4);
      other.update(0.4);
      expect(one.update(inside)).toEqual(other.update(outside));
    }
  });

  it("keeps the mean likelihood ratio at one, also with the mass of the clipped tails", () => {
    const { slope, middle, low, high, atLow, atHigh } = toIncrement(CLIPPED);
    const random = seededRandom(7);
    let sum = 0;
    const draws = 400_000;
    for (let i = 0; i < draws; i++) {
      const unit = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
      const x = CLIPPED.mean + CLIPPED.sd * unit;
      sum += Math.exp(x <= low ? atLow : x >= high ? atHigh : slope * (x - middle));
    }
    expect(sum / draws).toBeGreaterThan(0.97);
    expect(sum / draws).toBeLessThan(1.03);
  });

  it("goes on from its saved state as if never stopped", () => {
    const observations = fc.array(fc.double({ min: -3, max: 4, noNaN: true }), { maxLength: 30 });
    fc.assert(
      fc.property(observations, observations, (before, after) => {
        const valve = createValve({ ...UNIT, threshold: 3 });
        for (const x of before) valve.update(x);
        const restored = createValve({ ...UNIT, threshold: 3 });
        restored.restore(JSON.parse(JSON.stringify(valve.save())));
        for (const x of after) expect(restored.update(x)).toEqual(valve.update(x));
      }),
    );
  });

  it("keeps its state when an observation is refused", () => {
    const valve = createValve({ ...UNIT, threshold: 3 });
    valve.update(2);
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY]) expect(() => valve.update(x)).toThrow(RangeError);
    expect(valve.save()).toEqual({ statistic: 1.5 });
  });

  it.each([
    [{ threshold: 0 }, /threshold is 0/],
    [{ threshold: Number.NaN }, /threshold is NaN/],
    [{ mean: Number.NaN }, /mean is NaN/],
    [{ shiftedMean: 0 }, /both 0; there is no shift/],
    [{ sd: 0 }, /sd is 0/],
    [{ sd: Number.POSITIVE_INFINITY }, /sd is Infinity/],
    [{ sd: 1e-200 }, /out of proportion/],
    [{ clip: [1, 0] }, /clip is \[1, 0\]/],
    [{ clip: [0, Number.NaN] }, /clip is \[0, NaN\]/],
  ] as const)("refuses %o", (change, message) => {
    expect(() => createValve({ ...UNIT, threshold: 3, ...change })).toThrow(RangeError);
    expect(() => createValve({ ...UNIT, threshold: 3, ...change })).toThrow(message);
  });

  it.each([-1, 3, Number.NaN])("refuses a saved statistic of %d", (statistic) => {
    expect(() => createValve({ ...UNIT, threshold: 3 }).restore({ statistic })).toThrow(RangeError);
  });
});
