import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logNormalCdf, normalCdf, normalDensity } from "./normal-distribution.ts";

describe("normal distribution", () => {
  // Reference values: Abramowitz & Stegun, table 26.1 and 26.2.
  it.each([
    [0, 0.5],
    [1, 0.841344746068543],
    [-1, 0.158655253931457],
    [2, 0.977249868051821],
    [-3, 0.00134989803163009],
    [-5, 2.86651571879194e-7],
    [-8, 6.22096057427178e-16],
  ])("knows the probability below %d", (x, expected) => {
    expect(normalCdf(x) / expected).toBeCloseTo(1, 9);
  });

  it("stays finite in logarithms where the probability underflows", () => {
    expect(normalCdf(-40)).toBe(0);
    // Leading terms of the asymptotic series: -x^2/2 - log(x sqrt(2 pi)) - 1/x^2.
    expect(logNormalCdf(-40)).toBeCloseTo(-800 - Math.log(40 * Math.sqrt(2 * Math.PI)) - 1 / 1600, 5);
  });

  it("is symmetric, rises, and has the density as its slope", () => {
    fc.assert(
      fc.property(fc.double({ min: -7, max: 7, noNaN: true }), (x) => {
        expect(normalCdf(x) + normalCdf(-x)).toBeCloseTo(1, 13);
        expect(normalCdf(x + 1e-4)).toBeGreaterThanOrEqual(normalCdf(x));
        expect((normalCdf(x + 1e-4) - normalCdf(x - 1e-4)) / 2e-4).toBeCloseTo(normalDensity(x), 6);
      }),
    );
  });
});
