import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points that must come after one that is new before it is learned from, where it is known what matters. */
const WAITS = 3;

/** What a point teaches; no number where it teaches nothing. */
export type Lesson = readonly [distance: number, long: number, odds: number, calm: number, change: number];

export const NO_LESSON: Lesson = [Number.NaN, 0, 0, Number.NaN, Number.NaN];

/** Lessons of the newest points that were new: a fault that begins with little must not teach that it is usual. */
export class Lessons {
  readonly #ring = new Float64Array(WAITS * 5);
  /** How many wait, and the place of the oldest. */
  readonly #state = new Int32Array(2);

  /** Takes the lesson of a point; returns that of the point three before it. */
  after(lesson: Lesson): Lesson | undefined {
    const [waiting, oldest] = this.#state as unknown as [number, number];
    const at = ((oldest + waiting) % WAITS) * 5;
    const isFull = waiting === WAITS;
    const due = isFull ? (Array.from(this.#ring.subarray(at, at + 5)) as unknown as Lesson) : undefined;
    this.#ring.set(lesson, at);
    if (isFull) this.#state[1] = (oldest + 1) % WAITS;
    else this.#state[0] = waiting + 1;
    return due;
  }

  forget(): void {
    this.#state.fill(0);
  }

  save(out: StateWriter): void {
    out.numbers(this.#ring);
    out.integers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#ring);
    from.integers(this.#state);
  }
}
