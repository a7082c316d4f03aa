/** The valve: a scalar CUSUM that stays shut while a statistic is routine and crosses when its mean has shifted. */
import { logNormalCdf } from "./normal-distribution.ts";

/** What is routine, and the shift worth noticing. All in the units of the observed statistic. */
export interface ValveSpec {
  /** Mean while nothing is wrong. */
  readonly mean: number;
  /** Mean to be noticed; above or below `mean`. A larger shift in the same direction is noticed sooner. */
  readonly shiftedMean: number;
  /** Standard deviation before clipping, the same before and after the shift. */
  readonly sd: number;
  /** Observations outside are taken as the nearer edge. Either edge may be infinite. @default no clipping */
  readonly clip?: readonly [low: number, high: number] | undefined;
}

/** Everything to restore a valve; plain JSON. */
export interface ValveState {
  /** Nats; 0 when the last observation was routine or the valve has just crossed. */
  readonly statistic: number;
}

export interface ValveUpdate {
  /** The statistic after this observation, in nats, before the reset a crossing causes. */
  readonly statistic: number;
  readonly crossed: boolean;
}

export interface Valve {
  /** Takes one observation. After a crossing the next one starts from zero. @throws RangeError on NaN or infinity; the state is kept. */
  update(x: number): ValveUpdate;
  save(): ValveState;
  /** @throws RangeError on a statistic no valve of this threshold can have. */
  restore(state: ValveState): void;
}

/** The log-likelihood ratio of one observation: linear between the edges, one value at each edge. */
export interface ValveIncrement {
  readonly slope: number;
  readonly middle: number;
  readonly low: number;
  readonly high: number;
  /** Nats added by an observation at or beyond the edge: the ratio of the two tail masses, not of the densities. */
  readonly atLow: number;
  readonly atHigh: number;
}

/**
 * Creates a shut valve. The statistic is Page's CUSUM (Biometrika 41, 1954): `S = max(0, S + log f1(x)/f0(x))`, crossed when
 * `S >= threshold`.
 *
 * The threshold is in nats; `calibrateValve` finds it from a wanted run length between false alarms. The textbook form with
 * allowance k and decision interval h, both in deviations, is the same valve for a shift of `2k`: `threshold = 2 * k * h`.
 * @throws RangeError when the spec or the threshold cannot make a valve.
 */
export function createValve(spec: ValveSpec & { readonly threshold: number }): Valve {
  const { slope, middle, low, high, atLow, atHigh } = toIncrement(spec);
  const { threshold } = spec;
  if (!(threshold > 0 && threshold < Number.POSITIVE_INFINITY)) {
    throw new RangeError(
      `threshold is ${threshold}; it must be a positive number of nats. Take it from calibrateValve.`,
    );
  }
  let current = 0;
  return {
    update(x) {
      if (!Number.isFinite(x)) {
        throw new RangeError(`observation is ${x}; the valve takes finite numbers. Skip the gap instead.`);
      }
      const gain = x <= low ? atLow : x >= high ? atHigh : slope * (x - middle);
      const statistic = Math.max(0, current + gain);
      const crossed = statistic >= threshold;
      current = crossed ? 0 : statistic;
      return { statistic, crossed };
    },
    save: () => ({ statistic: current }),
    restore({ statistic }) {
      if (!(statistic >= 0 && statistic < threshold)) {
        throw new RangeError(
          `saved statistic is ${statistic}; a valve with threshold ${threshold} has one in [0, ${threshold}). Start it from zero when its threshold was lowered.`,
        );
      }
      current = statistic;
    },
  };
}

/** Derives the increment of a spec. @throws RangeError naming the field that cannot work. */
export function toIncrement(spec: ValveSpec): ValveIncrement {
  const { mean, shiftedMean, sd, clip: [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] } = spec;
  if (!Number.isFinite(mean) || !Number.isFinite(shiftedMean)) {
    throw new RangeError(`mean is ${mean} and shiftedMean is ${shiftedMean}; both must be finite numbers.`);
  }
  if (mean === shiftedMean) {
    throw new RangeError(
      `mean and shiftedMean are both ${mean}; there is no shift to notice. Move shiftedMean away from mean.`,
    );
  }
  if (!(sd > 0 && sd < Number.POSITIVE_INFINITY)) {
    throw new RangeError(
      `sd is ${sd}; it must be positive and finite. For a constant series use a floor, such as its resolution.`,
    );
  }
  if (!(low < high)) {
    throw new RangeError(`clip is [${low}, ${high}]; the lower edge must be below the upper one.`);
  }
  const slope = (shiftedMean - mean) / sd / sd;
  if (!Number.isFinite(slope) || slope === 0) {
    throw new RangeError(`the shift ${shiftedMean - mean} is out of proportion to sd ${sd}. Rescale the observations.`);
  }
  return {
    slope,
    middle: mean + (shiftedMean - mean) / 2,
    low,
    high,
    atLow:
      low === Number.NEGATIVE_INFINITY ? 0 : logNormalCdf((low - shiftedMean) / sd) - logNormalCdf((low - mean) / sd),
    atHigh:
      high === Number.POSITIVE_INFINITY
        ? 0
        : logNormalCdf((shiftedMean - high) / sd) - logNormalCdf((mean - high) / sd),
  };
}
