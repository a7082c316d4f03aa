import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { createValve, type ValveSpec } from "./valve.ts";
import { calibrateValve, calibrateValveInTurns } from "./valve-calibration.ts";

const UNIT = { mean: 0, shiftedMean: 1, sd: 1 } as const;
const CLIPPED = { mean: 0.1, shiftedMean: 0.3, sd: 0.15, clip: [0, 1] } as const;

/** Mean observations to the crossing over `runs` seeded runs, each from zero. */
function simulate(valveSpec: ValveSpec & { threshold: number }, mean: number, runs: number): number {
  const random = seededRandom(20_261);
  const valve = createValve(valveSpec);
  let observations = 0;
  for (let run = 0; run < runs; ) {
    const radius = valveSpec.sd * Math.sqrt(-2 * Math.log(1 - random.next()));
    const x = mean + radius * Math.cos(2 * Math.PI * random.next());
    observations++;
    if (valve.update(x).crossed) run++;
  }
  return observations / runs;
}

describe("calibrateValve", () => {
  // Exact Markov-chain values for the unit Gaussian with k = .5, where nats and deviations coincide.
  it.each([
    [100, 2.849, 6.11],
    [335, 4, 8.38],
    [500, 4.389, 9.16],
    [931, 5, 10.38],
    [1_000, 5.071, 10.52],
    [5_000, 6.67, 13.71],
    [10_000, 7.361, 15.09],
    [100_000, 9.662, 19.7],
  ])("agrees with the table at ARL0 %d", (targetArl0, h, delay) => {
    const { threshold, arl0, expectedDelay } = calibrateValve({ ...UNIT, targetArl0 });
    expect(arl0 / targetArl0).toBeCloseTo(1, 5);
    expect(Math.abs(threshold / h - 1)).toBeLessThan(0.001);
    expect(Math.abs(expectedDelay / delay - 1)).toBeLessThan(0.002);
  });

  it("meets the goal of the original valve's setting", () => {
    const { expectedDelay } = calibrateValve({ ...CLIPPED, targetArl0: 10_000 });
    expect(expectedDelay).toBeLessThanOrEqual(10);
  });

  // bench/valve.ts repeats this with 10,000 runs at ARL0 10,000.
  it.each([
    { spec: CLIPPED, targetArl0: 2_000 },
    { spec: UNIT, targetArl0: 500 },
    { spec: { mean: 0.5, shiftedMean: 0.8, sd: 0.3, clip: [0, 1] } as const, targetArl0: 1_000 },
    { spec: { mean: 0.9, shiftedMean: 0.7, sd: 0.15, clip: [0, 1] } as const, targetArl0: 1_000 },
    { spec: { mean: 0, shiftedMean: 1, sd: 1, clip: [-1, 1] } as const, targetArl0: 1_000 },
    { spec: { mean: 0, shiftedMean: 1, sd: 1, clip: [-0.1, 5] } as const, targetArl0: 500 },
  ])("promises what a simulation finds: $spec", ({ spec, targetArl0 }) => {
    const { threshold, arl0, expectedDelay } = calibrateValve({ ...spec, targetArl0 });
    // 4,000 runs put one standard error at 1.6 %.
    expect(Math.abs(simulate({ ...spec, threshold }, spec.mean, 4_000) / arl0 - 1)).toBeLessThan(0.05);
    expect(Math.abs(simulate({ ...spec, threshold }, spec.shiftedMean, 20_000) / expectedDelay - 1)).toBeLessThan(0.03);
  });

  it("depends on the shift in deviations only", () => {
    const shift = fc.double({ min: 0.3, max: 3, noNaN: true });
    const scale = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(shift, scale, fc.integer({ min: -1e3, max: 1e3 }), fc.boolean(), (deviations, sd, mean, rises) => {
        const plain = calibrateValve({ mean: 0, shiftedMean: deviations, sd: 1, targetArl0: 200 });
        const shiftedMean = mean + (rises ? 1 : -1) * deviations * sd;
        const moved = calibrateValve({ mean, shiftedMean, sd, targetArl0: 200 });
        expect(moved.threshold / plain.threshold).toBeCloseTo(1, 4);
        expect(moved.expectedDelay / plain.expectedDelay).toBeCloseTo(1, 4);
      }),
      { numRuns: 20 },
    );
  });

  it("keeps the target or more under any clipping, and a longer target costs a longer delay", () => {
    const edge = fc.double({ min: 0.05, max: 3, noNaN: true });
    fc.assert(
      fc.property(edge, edge, (below, above) => {
        const spec = { ...UNIT, clip: [-below, above] } as const;
        const short = calibrateValve({ ...spec, targetArl0: 100 });
        const long = calibrateValve({ ...spec, targetArl0: 1_000 });
        expect(short.arl0).toBeGreaterThan(99.99);
        expect(long.arl0).toBeGreaterThan(999.9);
        expect(long.threshold).toBeGreaterThan(short.threshold);
        expect(long.threshold).toBeLessThan(Math.log(1_000) * 1.01);
        expect(long.expectedDelay).toBeGreaterThan(short.expectedDelay);
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    [{ ...UNIT, targetArl0: 1 }, /targetArl0 is 1;/],
    [{ ...UNIT, targetArl0: 1e10 }, /targetArl0 is 10000000000;/],
    [{ ...UNIT, targetArl0: Number.NaN }, /targetArl0 is NaN;/],
    [{ ...UNIT, shiftedMean: 8, targetArl0: 100 }, /so rare that even the smallest threshold gives 3\.157e\+4/],
    [{ ...UNIT, shiftedMean: 1e-4, targetArl0: 1e9 }, /shift is too small/],
    [{ ...UNIT, sd: -1, targetArl0: 100 }, /sd is -1/],
  ])("refuses %o", (target, message) => {
    expect(() => calibrateValve(target)).toThrow(RangeError);
    expect(() => calibrateValve(target)).toThrow(message);
  });

  // A small shift takes a second or two: a host that scores points must not stand still for it.
  it("lets others have their turn, comes to the same, and stops when nobody waits", async () => {
    const target = { ...UNIT, shiftedMean: 0.1, targetArl0: 10_000 };
    const control = new AbortController();
    let turns = 0;
    const count = () => {
      turns++;
      other = setImmediate(count);
    };
    let other = setImmediate(count);
    expect(await calibrateValveInTurns(target, control.signal)).toEqual(calibrateValve(target));
    clearImmediate(other);
    expect(turns).toBeGreaterThan(10);
    setImmediate(() => control.abort(new Error("gone")));
    await expect(calibrateValveInTurns(target, control.signal)).rejects.toThrow("gone");
  });
});
