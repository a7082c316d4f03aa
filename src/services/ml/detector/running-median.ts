import type { StateReader, StateWriter } from "./state-bytes.ts";

/** The median of the newest values, no number until there are enough: a few wild ones have no part in it. */
export class RunningMedian {
  readonly #ring: Float64Array;
  readonly #sorted: Float64Array;
  readonly #next = new Int32Array(1);

  /** @param points odd */
  constructor(points: number) {
    this.#ring = new Float64Array(points).fill(Number.NaN);
    this.#sorted = new Float64Array(points);
  }

  update(value: number): number {
    const next = this.#next[0] as number;
    const points = this.#ring.length;
    this.#ring[next] = value;
    this.#next[0] = (next + 1) % points;
    this.#sorted.set(this.#ring);
    // What is no number is sorted to the end.
    this.#sorted.sort();
    const isFull = !Number.isNaN(this.#sorted[points - 1] as number);
    return isFull ? (this.#sorted[points >> 1] as number) : Number.NaN;
  }

  save(out: StateWriter): void {
    out.numbers(this.#ring);
    out.integers(this.#next);
  }

  restore(from: StateReader): void {
    from.numbers(this.#ring);
    from.integers(this.#next);
  }
}
