import type { StateReader, StateWriter } from "./state-bytes.ts";

export interface TailOptions {
  /** Where a tail begins while nothing is known yet. */
  readonly priorThreshold: number;
  /** Mean excess over it then; weighs as much as one peak. */
  readonly priorExcess: number;
  /** How heavy it is then: 0 exponential, .5 and more without a variance. */
  readonly priorShape: number;
}

/** Half-octave bins from 2^-6 on; what is below is in the first, what is above in the last. */
const BINS = 48;
const LOWEST_EXPONENT = -6;

/** Points after which all counts are halved, so that a habit of the past fades: about three weeks at one a second. */
const HALVE_AT = 2_000_000;

/** A tail is what exceeds the threshold: at least this many points, at best this share, at most enough. */
const TAIL_LEAST = 10;
const TAIL_SHARE = 0.02;
const TAIL_MOST = 200;

/** Points the prior shape is worth. */
const PRIOR_WEIGHT = 10;

/**
 * How probable is it that a point of this series exceeds x, also where none has yet?
 *
 * Peaks over threshold: the excesses over a high threshold follow a generalised Pareto distribution (Pickands 1975,
 * Balkema and de Haan 1974); as in SPOT (Siffer et al., KDD 2017, section 3) it is fitted to the stream itself. Instead of
 * the peaks a histogram on a logarithmic scale is kept, which is 48 numbers for ever, and the fit is by moments (Hosking
 * and Wallis, Technometrics 29, 1987) with the shape held in [0, .5] and drawn to a prior while peaks are few.
 */
export class TailModel {
  readonly #options: TailOptions;
  readonly #counts = new Float64Array(BINS);
  readonly #total = new Float64Array(1);

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /** Takes a magnitude, 0 or more. */
  add(magnitude: number): void {
    const total = (this.#total[0] as number) + 1;
    this.#total[0] = total;
    const bin = toBin(magnitude);
    this.#counts[bin] = (this.#counts[bin] as number) + 1;
    if (total < HALVE_AT) return;
    this.#total[0] = total / 2;
    for (let i = 0; i < BINS; i++) this.#counts[i] = (this.#counts[i] as number) / 2;
  }

  /** Probability that one point exceeds the magnitude. */
  exceedance(magnitude: number): number {
    const counts = this.#counts;
    const total = Math.max(1, this.#total[0] as number);
    const bin = toBin(magnitude);
    let above = 0;
    for (let i = bin + 1; i < BINS; i++) above += counts[i] as number;
    const enough = Math.max(TAIL_LEAST, Math.min(TAIL_MOST, TAIL_SHARE * total));
    // Well within what has been seen: count.
    if (above >= enough) return above / total;
    const { young, threshold, peaks, mean, meanSquare } = this.#peaks(enough);
    const excess = magnitude - threshold;
    if (excess <= 0) return young ? 1 : peaks / total;
    const { priorShape } = this.#options;
    const fitted = peaks > 1 ? 0.5 * (1 - mean ** 2 / Math.max(meanSquare - mean ** 2, 1e-12 * mean ** 2)) : priorShape;
    const weighed = (peaks * Math.max(0, Math.min(0.5, fitted)) + PRIOR_WEIGHT * priorShape) / (peaks + PRIOR_WEIGHT);
    const shape = Math.max(0.01, weighed);
    // Mean excess = scale / (1 - shape).
    const scale = mean * (1 - shape);
    const beyond = (1 + (shape * excess) / scale) ** (-1 / shape);
    // What happened once is not rarer than once in what was seen.
    return Math.max(above / total, (Math.max(1, peaks) / total) * beyond);
  }

  /** The highest threshold with enough above it, and the moments of the excesses. */
  #peaks(enough: number) {
    const counts = this.#counts;
    let peaks = 0;
    let from = BINS;
    while (from > 1 && peaks < enough) peaks += counts[--from] as number;
    const { priorThreshold, priorExcess } = this.#options;
    const young = peaks < enough;
    const threshold = young ? priorThreshold : toMagnitude(from);
    if (young) {
      from = toBin(priorThreshold) + 1;
      peaks = 0;
      for (let i = from; i < BINS; i++) peaks += counts[i] as number;
    }
    let sum = 0;
    let squares = 0;
    for (let i = from; i < BINS; i++) {
      const excess = toMagnitude(i + 0.5) - threshold;
      sum += (counts[i] as number) * excess;
      squares += (counts[i] as number) * excess ** 2;
    }
    const mean = young ? (sum + priorExcess) / (peaks + 1) : sum / peaks;
    return { young, threshold, peaks, mean, meanSquare: squares / Math.max(1, peaks) };
  }

  save(out: StateWriter): void {
    out.numbers(this.#total);
    out.numbers(this.#counts);
  }

  restore(from: StateReader): void {
    from.numbers(this.#total);
    from.numbers(this.#counts);
  }
}

function toBin(magnitude: number): number {
  if (!(magnitude > 2 ** LOWEST_EXPONENT)) return 0;
  return Math.min(BINS - 1, Math.floor(2 * (Math.log2(magnitude) - LOWEST_EXPONENT)));
}

function toMagnitude(bin: number): number {
  return 2 ** (bin / 2 + LOWEST_EXPONENT);
}
