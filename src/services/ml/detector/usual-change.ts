import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points before anything is learned about changes. */
export const SETTLE_POINTS = 30;

/** A level's own unit: less than this share of it is no movement. */
export const LEAST_SPREAD = 0.01;

/** A change counts up to this many usual ones; the usual one follows over about a day of points at one a second. */
const MOST_USUAL = 30;
const USUAL_MEMORY_POINTS = 100_000;

/**
 * How far the series goes when it moves at all. A series of zeros with a few requests an hour has a spread of nothing, and
 * a mean change that says how seldom it moves; neither is a unit for how far it went.
 */
export class UsualChange {
  /** Movements seen, their mean. */
  readonly #state = new Float64Array(2);

  get usual(): number {
    return this.#state[1] as number;
  }

  update(change: number): void {
    const state = this.#state;
    const usual = state[1] as number;
    // What is left in the level of an earlier movement is none.
    if (change <= LEAST_SPREAD * usual) return;
    const seen = (state[0] as number) + 1;
    state[0] = seen;
    // One wild point must not become the unit.
    const bounded = seen > SETTLE_POINTS && usual > 0 ? Math.min(change, MOST_USUAL * usual) : change;
    state[1] = usual + Math.max(1 / seen, 1 / USUAL_MEMORY_POINTS) * (bounded - usual);
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
