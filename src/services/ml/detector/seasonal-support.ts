import type { Scale } from "./scale.ts";
import type { StateReader, StateWriter } from "./state-bytes.ts";

export interface SupportOptions {
  /** Length of the cycle. */
  readonly periodMs: number;
  /** Parts the cycle is cut into. */
  readonly parts: number;
  /** How many times it is cut, each cut shifted by an equal share of a part. */
  readonly cuts: number;
  /** Cycles after which a part is half trusted. */
  readonly halfTrust: number;
}

/** Share of its width by which what a part has seen shrinks at each new cycle: half of an old extreme is gone in half a year. */
const FORGET = 0.005;

/** A cycle before all others. */
const NEVER = -0x80000000;

/** Differences stay finite below it. */
const LARGEST = 1e300;

/**
 * Novelty in context: how far a value lies outside everything seen before at this time of the cycle.
 *
 * Each part of the cycle keeps the lowest and the highest value it has seen. A value within is worth nothing, however
 * rare: it has happened here before. One beyond is worth `d / (d + width)`, d its distance, scaled by how often this part
 * has been visited. Records suit a stream: without any change the n-th point is a record with probability 1/n (Glick,
 * "Breaking records and breaking boards", 1978), so false ones die out by themselves, whatever the distribution, and a
 * new normal is learned from its first point. Contexts are those of CAD OSE (Smirnov, 2016); overlapping cuts are tile
 * coding (Albus, CMAC, 1975), so that no verdict hangs on where a part happens to end.
 *
 * Values are kept as they came and brought on the scale only to be compared, so a scale that follows the series cannot
 * make an old value look new. Width is two thirds the average range of a part and one third the whole range of the series:
 * the first alone is nervous in a young series, the second alone is blind in a strongly seasonal one.
 */
export class SeasonalSupport {
  readonly #options: SupportOptions;
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  /** Per part: cycles visited, the newest of them. */
  readonly #visits: Int32Array;
  readonly #newest: Int32Array;

  constructor(options: SupportOptions) {
    this.#options = options;
    const parts = options.parts * options.cuts;
    this.#low = new Float64Array(parts).fill(Infinity);
    this.#high = new Float64Array(parts).fill(-Infinity);
    this.#visits = new Int32Array(parts);
    this.#newest = new Int32Array(parts).fill(NEVER);
  }

  /**
   * Learns the value; returns its novelty in [0, 1).
   * @param leastWidth on the scale; keeps a series that hardly moves from making much of little
   * @param firstCycleTrust weight of novelty against the whole range, for a part not seen in an earlier cycle
   */
  update(newest: number, timestampMs: number, scale: Scale, leastWidth: number, firstCycleTrust: number): number {
    const value = Math.max(-LARGEST, Math.min(LARGEST, newest));
    const { parts, cuts, halfTrust } = this.#options;
    let widths: Widths | undefined;
    let novelty = 0;
    for (let cut = 0; cut < cuts; cut++) {
      const slot = this.#slot(cut, timestampMs);
      const part = cut * parts + remainder(slot, parts);
      const earlier = this.#visit(part, Math.floor(slot / parts), scale);
      const low = this.#low[part] as number;
      const high = this.#high[part] as number;
      if (value >= low && value <= high) continue;
      // Measured before any part learns the value, and only now: most points are within.
      widths ??= this.#widths(scale);
      const { lowest, highest, range, usual } = widths;
      const trust = earlier > 0 ? earlier / (earlier + halfTrust) : firstCycleTrust;
      const distance = earlier > 0 ? beyond(value, low, high, scale) : beyond(value, lowest, highest, scale);
      const width = Math.max(leastWidth, earlier > 0 ? (range + 2 * usual) / 3 : range);
      // As much as was forgotten is not new.
      const news = distance - FORGET * width;
      if (news > 0) novelty += (news / (news + width)) * trust;
    }
    for (let cut = 0; cut < cuts; cut++)
      this.#learn(cut * parts + remainder(this.#slot(cut, timestampMs), parts), value);
    return novelty / cuts;
  }

  /** Parts since the epoch. Whole milliseconds divide exactly, so a full hour never falls before itself. */
  #slot(cut: number, timestampMs: number): number {
    const partMs = this.#options.periodMs / this.#options.parts;
    return Math.floor((timestampMs + (cut * partMs) / this.#options.cuts) / partMs);
  }

  /** Earlier cycles in which this part was visited. */
  #visit(part: number, cycle: number, scale: Scale): number {
    const visits = this.#visits[part] as number;
    if (this.#newest[part] === cycle) return visits - 1;
    this.#newest[part] = cycle;
    this.#visits[part] = visits + 1;
    if (visits > 1) {
      const low = scale.to(this.#low[part] as number);
      const high = scale.to(this.#high[part] as number);
      const less = ((high - low) * FORGET) / 2;
      if (less > 0) {
        this.#low[part] = scale.from(low + less);
        this.#high[part] = scale.from(high - less);
      }
    }
    return visits;
  }

  #learn(part: number, value: number): void {
    if (value < (this.#low[part] as number)) this.#low[part] = value;
    if (value > (this.#high[part] as number)) this.#high[part] = value;
  }

  #widths(scale: Scale): Widths {
    let lowest = Infinity;
    let highest = -Infinity;
    let sum = 0;
    let known = 0;
    for (let part = 0; part < this.#low.length; part++) {
      const low = this.#low[part] as number;
      const high = this.#high[part] as number;
      if (low > high) continue;
      if (low < lowest) lowest = low;
      if (high > highest) highest = high;
      sum += scale.to(high) - scale.to(low);
      known++;
    }
    if (known === 0) return { lowest, highest, range: 0, usual: 0 };
    return { lowest, highest, range: scale.to(highest) - scale.to(lowest), usual: sum / known };
  }

  save(out: StateWriter): void {
    out.numbers(this.#low);
    out.numbers(this.#high);
    out.integers(this.#visits);
    out.integers(this.#newest);
  }

  restore(from: StateReader): void {
    from.numbers(this.#low);
    from.numbers(this.#high);
    from.integers(this.#visits);
    from.integers(this.#newest);
  }
}

interface Widths {
  /** Of all parts, in the unit of the series. */
  readonly lowest: number;
  readonly highest: number;
  /** On the scale: of all parts together, and of one on average. */
  readonly range: number;
  readonly usual: number;
}

/** How far outside of what was seen; 0 where nothing was. */
function beyond(value: number, low: number, high: number, scale: Scale): number {
  if (low > high) return 0;
  if (value > high) return scale.to(value) - scale.to(high);
  return value < low ? scale.to(low) - scale.to(value) : 0;
}

/** Never negative: series may begin before 1970. */
function remainder(slot: number, parts: number): number {
  return slot - Math.floor(slot / parts) * parts;
}
