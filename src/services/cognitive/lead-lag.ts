/**
 * Which of two series moves first, tested against chance: the largest cross-correlation over lags, held against that of
 * circular shifts of the same series (Theiler et al., Physica D 58, 1992, surrogate data; the maximum over lags is taken
 * for each surrogate, too, so that trying many lags is paid for).
 */

export interface LeadLag {
  /** Steps by which the first leads the second; negative when it follows. */
  readonly lag: number;
  readonly correlation: number;
  /** Share of shifts that correlate as well. */
  readonly p: number;
}

const MAX_LAG = 3;
const LAGS = 2 * MAX_LAG + 1;
const SURROGATES = 59;
/** Shifts closer than this are hardly shifted. */
const LEAST_SHIFT = 2 * MAX_LAG;
const LEAST_POINTS = 60;

/** Undefined when there is too little to compare: too short, too many gaps, or one that does not move. */
export function leadLag(first: readonly (number | null)[], second: readonly (number | null)[]): LeadLag | undefined {
  const length = Math.min(first.length, second.length);
  if (length < LEAST_POINTS) return undefined;
  const a = standardised(first.slice(-length));
  const b = standardised(second.slice(-length));
  if (a === undefined || b === undefined) return undefined;
  const found = strongest(a, b, 0);
  const room = length - 2 * LEAST_SHIFT;
  if (room <= 0) return undefined;
  let asGood = 0;
  for (let i = 0; i < SURROGATES; i++) {
    const shift = LEAST_SHIFT + Math.floor((i * room) / SURROGATES);
    if (strongest(a, b, shift).correlation >= found.correlation) asGood++;
  }
  // Shifts overlap in the lags they try: the best of all offsets is among those near zero by chance this often.
  return { ...found, p: Math.max((1 + asGood) / (1 + SURROGATES), LAGS / length) };
}

/** Mean of several series step by step, each standardised, so that no one outweighs the others. */
export function together(all: readonly (readonly (number | null)[])[]): (number | null)[] {
  const length = Math.min(...all.map((values) => values.length));
  const parts = all.map((values) => standardised(values.slice(-length))).filter((values) => values !== undefined);
  if (parts.length === 0) return [];
  return Array.from({ length }, (_, i) => parts.reduce((sum, part) => sum + (part[i] as number), 0) / parts.length);
}

function strongest(a: Float64Array, b: Float64Array, shift: number): { lag: number; correlation: number } {
  let best = { lag: 0, correlation: Number.NEGATIVE_INFINITY };
  for (let lag = -MAX_LAG; lag <= MAX_LAG; lag++) {
    const correlation = correlationAt(a, b, lag, shift);
    if (correlation > best.correlation) best = { lag, correlation };
  }
  return best;
}

/** Of a (shifted in a circle) at t with b at t + lag. */
function correlationAt(a: Float64Array, b: Float64Array, lag: number, shift: number): number {
  const from = Math.max(0, -lag);
  const to = Math.min(b.length, b.length - lag);
  let sum = 0;
  for (let t = from; t < to; t++) sum += (a[(t + shift) % a.length] as number) * (b[t + lag] as number);
  return sum / (to - from);
}

/** Mean 0, variance 1, gaps filled with what was before them. */
function standardised(values: readonly (number | null)[]): Float64Array | undefined {
  const known = values.filter((value) => value !== null);
  if (known.length < values.length / 2 || known.length === 0) return undefined;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length;
  if (!(variance > 0)) return undefined;
  const sd = Math.sqrt(variance);
  const out = new Float64Array(values.length);
  let last = 0;
  for (const [i, value] of values.entries()) {
    if (value !== null) last = (value - mean) / sd;
    out[i] = last;
  }
  return out;
}
