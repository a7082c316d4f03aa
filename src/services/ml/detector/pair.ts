import type { StateReader, StateWriter } from "./state-bytes.ts";

/** What two points in a row have in common: a lone one has no part in it. */
export class Pair {
  readonly #state = new Float64Array([Number.NaN]);

  /** Takes a value; returns the one of it and the value before that is nearer to `level`; no number for the first. */
  shared(value: number, level: number): number {
    const before = this.#state[0] as number;
    this.#state[0] = value;
    return Math.abs(value - level) < Math.abs(before - level) ? value : before;
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
