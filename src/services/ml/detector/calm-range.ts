import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points over which the range that is calm, or was stayed in, closes in: about a day at one a second. */
const MEMORY_POINTS = 100_000;

/** Times as far from the level as the range goes. */
const FAR = 3;

/** The range of what stayed there while nothing was wrong, closing in slowly on where the series is. */
export class CalmRange {
  readonly #warmUp: number;
  /** Values seen, lowest, highest. */
  readonly #state = new Float64Array(3);

  /** @param warmUp values before which too little is known */
  constructor(warmUp: number) {
    this.#warmUp = warmUp;
  }

  /** Whether it is outside of what has ever been calm, by more than `least`; false while too little is known. */
  isBeyond(value: number, least = 0): boolean {
    const [seen, low, high] = this.#state as unknown as [number, number, number];
    return seen >= this.#warmUp && (value < low - least || value > high + least);
  }

  /** Whether it is more than thrice as far from `level` as the range goes on that side; false while too little is known. */
  isFarBeyond(value: number, level: number): boolean {
    const [, low, high] = this.#state as unknown as [number, number, number];
    const edge = value < level ? low : high;
    return this.isBeyond(value) && Math.abs(value - level) > FAR * Math.abs(edge - level);
  }

  add(value: number): void {
    const state = this.#state;
    const seen = (state[0] as number) + 1;
    const [, low, high] = state as unknown as [number, number, number];
    state[0] = seen;
    state[1] = seen === 1 || value < low ? value : low + (value - low) / MEMORY_POINTS;
    state[2] = seen === 1 || value > high ? value : high + (value - high) / MEMORY_POINTS;
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
