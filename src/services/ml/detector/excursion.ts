/**
 * Whether a series that keeps what it takes has risen above the range that it kept to until some minutes ago, and stays there.
 * A leak takes steps of which none is rare; what is rare is where they lead.
 */
import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points that must all be above. */
const POINTS = 15;

/** Points that the range is behind: a series that rises by less than what matters in so many may do so for ever. */
const BLOCK_POINTS = 300;

/** Points over which the range closes in on where the series is: about a day at one a second. */
const MEMORY_POINTS = 100_000;

export class Excursion {
  readonly #warmUp: number;
  /** Points seen; highest of the range, of the block before, of this block; points in this block; points above in a row; their highest. */
  readonly #state = new Float64Array(7);

  /** @param warmUp points from which there is a range */
  constructor(warmUp: number) {
    this.#warmUp = warmUp;
  }

  /** The end of its range. */
  get high(): number {
    return this.#state[1] as number;
  }

  /** The highest of the points that are above it now; undefined while none is. */
  get peak(): number | undefined {
    return this.#state[5] === 0 ? undefined : this.#state[6];
  }

  /** @param least how far above the range matters */
  isOut(value: number, least: number): boolean {
    return (this.#state[0] as number) >= this.#warmUp && value > this.high + least;
  }

  /** Takes a point that is above; whether so many have been that it is no blip. */
  out(value: number): boolean {
    const state = this.#state;
    state[6] = Math.max(this.peak ?? value, value);
    state[5] = (state[5] as number) + 1;
    return state[5] >= POINTS;
  }

  /** Takes a point that is not. */
  add(value: number): void {
    const state = this.#state;
    const seen = (state[0] as number) + 1;
    state[0] = seen;
    state[5] = 0;
    if (seen === 1) state[1] = value;
    if (seen <= this.#warmUp) return this.accept(value);
    if (value < this.high) state[1] = this.high + (value - this.high) / MEMORY_POINTS;
    const block = (state[4] as number) + 1;
    state[3] = block === 1 ? value : Math.max(state[3] as number, value);
    state[4] = block;
    if (block < BLOCK_POINTS) return;
    if (seen > this.#warmUp + BLOCK_POINTS) state[1] = Math.max(this.high, state[2] as number);
    state[2] = state[3];
    state[4] = 0;
  }

  /** Where it is now is within its range from now on: it came back, or has stayed there until that was its level. */
  accept(value: number): void {
    this.#state[5] = 0;
    this.#state[1] = Math.max(this.high, value);
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
