import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { TailModel } from "./tail-model.ts";

const PRIOR = { priorThreshold: 4, priorExcess: 1, priorShape: 0.2 };

function filled(points: number, draw: (uniform: number) => number, seed = 1): TailModel {
  const random = seededRandom(seed);
  const model = new TailModel(PRIOR);
  for (let i = 0; i < points; i++) model.add(draw(1 - random.next()));
  return model;
}

describe("the tail", () => {
  it("is counted where there is enough to count", () => {
    const model = filled(100_000, (u) => -Math.log(u));
    // Bins of half an octave: what lies in the bin of 2 itself is not counted.
    expect(model.exceedance(2)).toBeGreaterThan(0.05);
    expect(model.exceedance(2)).toBeLessThan(Math.exp(-2));
  });

  it("of an exponential is met down to one in ten million, within a factor of 30 and on the careful side", () => {
    const model = filled(100_000, (u) => -Math.log(u));
    for (const x of [10, 13, 16]) {
      const ratio = Math.log10(model.exceedance(x) / Math.exp(-x));
      expect(ratio).toBeGreaterThan(-0.5);
      expect(ratio).toBeLessThan(1.5);
    }
  });

  it("of a heavy one is not taken for light", () => {
    const model = filled(100_000, (u) => u ** -0.4);
    const ratio = Math.log10(model.exceedance(250) / 250 ** -2.5);
    expect(Math.abs(ratio)).toBeLessThan(1);
  });

  it("never falls as the magnitude falls, however much is known", () => {
    for (const points of [0, 1, 5, 50, 5_000]) {
      const model = filled(points, (u) => -3 * Math.log(u));
      const at = Array.from({ length: 60 }, (_, i) => model.exceedance(2 ** (i / 3 - 3)));
      expect(at.every((p, i) => p >= 0 && p <= 1 && (i === 0 || p <= (at[i - 1] as number) + 1e-12))).toBe(true);
    }
  });

  it("holds what happened once for as rare as that", () => {
    const model = filled(10_000, (u) => u);
    model.add(500);
    expect(model.exceedance(100)).toBeGreaterThanOrEqual(1 / 10_001);
    expect(model.exceedance(5_000)).toBeLessThan(1 / 10_001);
  });
});
