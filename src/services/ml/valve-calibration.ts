/** From a wanted run length between false alarms to the valve's threshold. */
import { normalCdf, normalDensity } from "./normal-distribution.ts";
import { toIncrement, type ValveIncrement, type ValveSpec } from "./valve.ts";

export interface ValveTarget extends ValveSpec {
  /** Wanted mean number of observations between false alarms, starting from zero; in (1, 1e9]. */
  readonly targetArl0: number;
}

export interface ValveCalibration {
  /** Nats; what `createValve` takes. */
  readonly threshold: number;
  /** Mean observations between false alarms at that threshold. Never below the target by more than 1e-6 of it. */
  readonly arl0: number;
  /** Mean observations from the shift to the crossing when the statistic was zero at the shift, which is the worst case. */
  readonly expectedDelay: number;
}

/** Elements per deviation of the increment on the coarse grid; the fine grid has twice as many. */
const POINTS_PER_DEVIATION = 5;
const MIN_ELEMENTS = 40;
/** More than this and one calibration takes seconds. */
const MAX_NODES = 4_000;
/** The normal mass further out is below 1e-17. */
const REACH_DEVIATIONS = 8.5;
const NEGLIGIBLE_JUMP = 1e-4;
const MAX_BREAKPOINTS = 200;
/** Places nearer to each other than this part of the threshold count as one. */
const SAME_PLACE = 1e-7;
const RELATIVE_TOLERANCE = 1e-6;
/** Both are a few milliseconds at the most nodes. */
const ROWS_A_TURN = 64;
const PIVOTS_A_TURN = 32;
const TOO_SMALL_A_SHIFT =
  "the shift is too small against sd to calibrate for this run length. Move shiftedMean away from mean, average several observations into one, or lower targetArl0.";

/**
 * Finds the threshold whose mean run length without a shift is `targetArl0`.
 *
 * Accurate to 0.1 % of the run length without clipping, to about 1 % with; where clipping leaves under 2 % of the mass between the
 * edges, the statistic walks on a lattice and simulations differ by up to 7 %. The run length solves the integral equation of Brook &
 * Evans (Biometrika 59, 1972), here by collocation with piecewise linear elements whose integrals against the normal density are
 * closed forms, the clipped edges as point masses, and Richardson extrapolation over two grids. Where point masses make the run length
 * jump over the target, the threshold is the one just above the jump.
 *
 * Takes 20 ms for a shift of one deviation, a second or two for a twentieth, and refuses shifts much smaller.
 * @throws RangeError when the spec cannot make a valve or the target cannot be reached.
 */
export function calibrateValve(target: ValveTarget): ValveCalibration {
  const work = calibration(target);
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** The same, letting other work of the process have its turn every few milliseconds. @throws the signal's reason, too */
export async function calibrateValveInTurns(target: ValveTarget, signal: AbortSignal): Promise<ValveCalibration> {
  const work = calibration(target);
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
}

/** Rests are where others may have their turn. */
type Work<T> = Generator<void, T, void>;

function* calibration(target: ValveTarget): Work<ValveCalibration> {
  const increment = toIncrement(target);
  const { targetArl0 } = target;
  if (!(targetArl0 > 1 && targetArl0 <= 1e9)) {
    throw new RangeError(`targetArl0 is ${targetArl0}; it must be a number of observations above 1 and at most 1e9.`);
  }
  const routine = toLaw(increment, target, target.mean);
  const shifted = toLaw(increment, target, target.shiftedMean);
  const shortest = 1 / massAbove(routine, 0);
  if (!(shortest < targetArl0)) {
    throw new RangeError(
      `targetArl0 is ${targetArl0}, but observations in favour of this shift are so rare that even the smallest threshold gives ${shortest.toPrecision(4)} between false alarms. Ask for at least that, bring shiftedMean nearer to mean, or widen clip.`,
    );
  }
  const error = function* (threshold: number): Work<number> {
    return Math.log((yield* meanRunLength(routine, threshold)) / targetArl0);
  };
  const atLow = Math.log(shortest / targetArl0);
  const high = yield* upperBound(targetArl0, routine.sd, error);
  const threshold = yield* findRoot(error, { low: 0, atLow, ...high });
  const arl0 = yield* meanRunLength(routine, threshold);
  return { threshold, arl0, expectedDelay: yield* meanRunLength(shifted, threshold) };
}

/**
 * A threshold at or above the wanted one. `ARL0 >= exp(threshold)` holds for every log-likelihood-ratio CUSUM (Lorden, Ann. Math. Stat.
 * 42, 1971), but is far off for small shifts, where the grid of so high a threshold is large; Siegmund's approximation (Sequential
 * Analysis, 1985) without its correction for overshoot is usually just above and tried first.
 */
function* upperBound(
  targetArl0: number,
  sd: number,
  error: (threshold: number) => Work<number>,
): Work<Pick<Bracket, "high" | "atHigh">> {
  const certain = Math.log(targetArl0) * (1 + 1e-6);
  let low = 0;
  let near = certain;
  for (let round = 0; round < 50; round++) {
    const middle = (low + near) / 2;
    if (Math.expm1(middle) - middle < (targetArl0 * sd * sd) / 2) low = middle;
    else near = middle;
  }
  const atNear = yield* error(near);
  return atNear >= 0 ? { high: near, atHigh: atNear } : { high: certain, atHigh: yield* error(certain) };
}

/** Distribution of one increment: a normal one cut to (low, high), and the masses of the clipped tails as points. */
interface IncrementLaw {
  readonly mean: number;
  readonly sd: number;
  readonly low: number;
  readonly high: number;
  readonly points: readonly { readonly at: number; readonly mass: number }[];
}

function toLaw(
  { slope, middle, low, high, atLow, atHigh }: ValveIncrement,
  { sd }: ValveSpec,
  mean: number,
): IncrementLaw {
  const edges = [slope * (low - middle), slope * (high - middle)];
  return {
    mean: slope * (mean - middle),
    sd: Math.abs(slope) * sd,
    low: Math.min(...edges),
    high: Math.max(...edges),
    points: [
      { at: atLow, mass: normalCdf((low - mean) / sd) },
      { at: atHigh, mass: normalCdf((mean - high) / sd) },
    ].filter(({ mass }) => mass > 1e-17),
  };
}

/** Mass of the continuous part at or below `z`, and its first moment there. */
function partial(law: IncrementLaw, z: number): { mass: number; moment: number } {
  const deviations = (Math.min(Math.max(z, law.low), law.high) - law.mean) / law.sd;
  const mass = normalCdf(deviations);
  const density = Number.isFinite(deviations) ? normalDensity(deviations) : 0;
  return { mass, moment: law.mean * mass - law.sd * density };
}

function massAbove(law: IncrementLaw, z: number): number {
  // The mirrored tail: one minus a mass near one would lose the digits that matter for long runs.
  const upper = (from: number) => normalCdf((law.mean - from) / law.sd);
  const continuous = upper(Math.min(Math.max(z, law.low), law.high)) - upper(law.high);
  return law.points.reduce((sum, { at, mass }) => sum + (at > z ? mass : 0), continuous);
}

function* meanRunLength(law: IncrementLaw, threshold: number): Work<number> {
  const breaks = breakpoints(law, threshold);
  const spacing = Math.min(law.sd / POINTS_PER_DEVIATION, threshold / MIN_ELEMENTS);
  const coarse = yield* solveRunLength(law, placeNodes(breaks, spacing, 1));
  const fine = yield* solveRunLength(law, placeNodes(breaks, spacing, 2));
  return fine + (fine - coarse) / 3;
}

/**
 * Where the run length jumps as a function of the statistic: at the threshold, and wherever a point mass leads to a jump. Elements end
 * there, so that each one sees a smooth function. Jumps of less than `NEGLIGIBLE_JUMP` are left to the elements.
 */
function breakpoints(law: IncrementLaw, threshold: number): number[] {
  const apart = threshold * SAME_PLACE;
  const found = [0, threshold];
  const pending = [{ place: threshold, size: 1 }];
  for (let next = pending.shift(); next && found.length < MAX_BREAKPOINTS; next = pending.shift()) {
    for (const { at, mass } of law.points) {
      const place = next.place - at;
      const size = next.size * mass;
      if (size < NEGLIGIBLE_JUMP || found.some((known) => Math.abs(known - place) < apart)) continue;
      if (place < 0 || place > threshold) continue;
      found.push(place);
      pending.push({ place, size });
    }
  }
  return found.sort((a, b) => a - b);
}

/** Nodes of piecewise linear elements no longer than `spacing`, each cut into `parts`. An inner breakpoint is two nodes: the limits from both sides. */
function placeNodes(breaks: readonly number[], spacing: number, parts: number): Float64Array {
  const nodes: number[] = [];
  for (let k = 0; k + 1 < breaks.length; k++) {
    const from = breaks[k]!;
    const length = breaks[k + 1]! - from;
    const elements = Math.ceil(length / spacing) * parts;
    if (nodes.length + elements > MAX_NODES) throw new RangeError(TOO_SMALL_A_SHIFT);
    for (let e = 0; e <= elements; e++) nodes.push(e === elements ? from + length : from + (length * e) / elements);
  }
  return Float64Array.from(nodes);
}

/**
 * Solves `L = 1 + K L` at the nodes and answers L(0). Row i says where the statistic goes from node i: a landing place weighs the two
 * nodes around it, everything at or below zero lands on node 0, everything at or above the threshold ends the run.
 */
function* solveRunLength(law: IncrementLaw, nodes: Float64Array): Work<number> {
  const count = nodes.length;
  const reach = bandReach(law, nodes);
  const width = 2 * reach + 1;
  const band = new Float64Array(count * width);
  const ones = new Float64Array(count).fill(1);
  // Node 0 is reached from everywhere; kept out of the band it becomes a second right-hand side.
  const toZero = new Float64Array(count);
  const floor = partial(law, law.low);
  for (let i = 0; i < count; i++) {
    if (i % ROWS_A_TURN === ROWS_A_TURN - 1) yield;
    const row = i * width + reach - i;
    const add = (node: number, mass: number) => {
      if (node === 0) toZero[i]! += mass;
      else band[row + node]! -= mass;
    };
    if (i > 0) band[row + i] = 1;

    const first = Math.max(0, i - reach);
    let left = partial(law, nodes[first]! - nodes[i]!);
    if (first === 0) add(0, left.mass - floor.mass);
    for (let k = first; k < Math.min(count - 1, i + reach); k++) {
      const length = nodes[k + 1]! - nodes[k]!;
      if (length === 0) continue;
      const right = partial(law, nodes[k + 1]! - nodes[i]!);
      const mass = right.mass - left.mass;
      const share = (right.moment - left.moment - (nodes[k]! - nodes[i]!) * mass) / length;
      add(k, mass - share);
      add(k + 1, share);
      left = right;
    }

    const here = nodes[i]! + sideOf(nodes, i) * nodes[count - 1]! * SAME_PLACE * 0.01;
    for (const { at, mass } of law.points) {
      const landing = here + at;
      if (landing <= 0) add(0, mass);
      else if (landing < nodes[count - 1]!) {
        const k = elementAt(nodes, landing);
        const share = (landing - nodes[k]!) / (nodes[k + 1]! - nodes[k]!);
        add(k, mass * (1 - share));
        add(k + 1, mass * share);
      }
    }
  }
  yield* eliminate(band, { reach, ones, toZero });
  return ones[0]! / (1 - toZero[0]!);
}

/** Which one-sided limit a node stands for: -1 from below, 1 from above, 0 where the function is continuous. */
function sideOf(nodes: Float64Array, i: number): number {
  if (i === nodes.length - 1 || nodes[i + 1] === nodes[i]) return -1;
  return i > 0 && nodes[i - 1] === nodes[i] ? 1 : 0;
}

/** Index of the element (node k to node k + 1) that holds `place`. */
function elementAt(nodes: Float64Array, place: number): number {
  let low = 0;
  let high = nodes.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (nodes[middle]! <= place) low = middle;
    else high = middle;
  }
  return low;
}

/** The most nodes that one increment can cross, beyond a mass of 1e-17. */
function bandReach(law: IncrementLaw, nodes: Float64Array): number {
  const farthest = Math.max(
    Math.abs(law.mean) + REACH_DEVIATIONS * law.sd,
    ...law.points.map(({ at }) => Math.abs(at)),
  );
  let reach = 0;
  for (let i = 0, j = 0; j < nodes.length; j++) {
    while (nodes[j]! - nodes[i]! > farthest) i++;
    reach = Math.max(reach, j - i);
  }
  return Math.min(nodes.length - 1, reach + 3);
}

/** Banded elimination down to row 0; no pivoting, because I - K is diagonally dominant. Overwrites its arguments. */
function* eliminate(
  band: Float64Array,
  { reach, ones, toZero }: { reach: number; ones: Float64Array; toZero: Float64Array },
): Work<void> {
  const width = 2 * reach + 1;
  for (let pivot = ones.length - 1; pivot >= 1; pivot--) {
    if (pivot % PIVOTS_A_TURN === 0) yield;
    const pivotRow = pivot * width + reach - pivot;
    const diagonal = band[pivotRow + pivot]!;
    const first = Math.max(1, pivot - reach);
    for (let i = Math.max(0, pivot - reach); i < pivot; i++) {
      const row = i * width + reach - i;
      const factor = band[row + pivot]! / diagonal;
      if (factor === 0) continue;
      // Within the band of row i, not of the pivot: the pivot row has nothing further out.
      for (let j = first; j < pivot; j++) band[row + j]! -= factor * band[pivotRow + j]!;
      ones[i]! -= factor * ones[pivot]!;
      toZero[i]! -= factor * toZero[pivot]!;
    }
  }
}

interface Bracket {
  readonly low: number;
  readonly atLow: number;
  readonly high: number;
  readonly atHigh: number;
}

/** Root of a rising function by the Illinois form of false position; the answer is never on the low side of a jump. */
function* findRoot(f: (x: number) => Work<number>, bracket: Bracket): Work<number> {
  let { low, atLow, high, atHigh } = bracket;
  let slopeLow = atLow;
  let slopeHigh = atHigh;
  for (let round = 0; round < 100 && atHigh > RELATIVE_TOLERANCE && high - low > 1e-12 * high; round++) {
    // Now and then a plain bisection: a jump would otherwise hold one end for ever.
    const next = round % 8 === 7 ? (low + high) / 2 : low + ((high - low) * slopeLow) / (slopeLow - slopeHigh);
    const value = yield* f(next);
    if (value >= 0) {
      high = next;
      atHigh = slopeHigh = value;
      slopeLow /= 2;
    } else {
      low = next;
      atLow = slopeLow = value;
      slopeHigh /= 2;
    }
  }
  return high;
}
