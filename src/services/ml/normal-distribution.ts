/** The unit normal distribution, accurate in both tails. */

const LOG_SQRT_TWO_PI = 0.918_938_533_204_672_8;

/** Density at `x`. */
export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x - LOG_SQRT_TWO_PI);
}

/** Probability of a value at or below `x`; the relative error is below 1e-10 also far in the lower tail. */
export function normalCdf(x: number): number {
  return x > 0 ? 1 - normalDensity(x) * millsRatio(x) : normalDensity(x) * millsRatio(-x);
}

/** Logarithm of `normalCdf`; stays finite where the probability itself underflows. */
export function logNormalCdf(x: number): number {
  return x > 0
    ? Math.log1p(-normalDensity(x) * millsRatio(x))
    : -0.5 * x * x - LOG_SQRT_TWO_PI + Math.log(millsRatio(-x));
}

const SQRT_TWO_PI = 2.506_628_274_631;

/**
 * Upper tail divided by density, for `x >= 0`.
 * Source: Hart's algorithm 5666 as given by West, "Better approximations to cumulative normal functions", Wilmott, 2005; beyond 7.07
 * Laplace's continued fraction.
 */
function millsRatio(x: number): number {
  if (x >= 7.071_067_811_865_475) {
    if (x === Number.POSITIVE_INFINITY) return 0;
    let denominator = x;
    for (let depth = 14; depth >= 1; depth--) denominator = x + depth / denominator;
    return 1 / denominator;
  }
  let top = 3.526_249_659_989_11e-2 * x + 0.700_383_064_443_688;
  top = top * x + 6.373_962_203_531_65;
  top = top * x + 33.912_866_078_383;
  top = top * x + 112.079_291_497_871;
  top = top * x + 221.213_596_169_931;
  top = top * x + 220.206_867_912_376;
  let bottom = 8.838_834_764_831_84e-2 * x + 1.755_667_163_182_64;
  bottom = bottom * x + 16.064_177_579_207;
  bottom = bottom * x + 86.780_732_202_946_1;
  bottom = bottom * x + 296.564_248_779_674;
  bottom = bottom * x + 637.333_633_378_831;
  bottom = bottom * x + 793.826_512_519_948;
  bottom = bottom * x + 440.413_735_824_752;
  return (SQRT_TWO_PI * top) / bottom;
}
