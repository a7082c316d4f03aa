import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points for which only something stronger is heard. */
const REFRACTORY_POINTS = 120;

/**
 * One event, one response: after a response, only a stronger stimulus gets through until the refractory period is over.
 * An anomaly is rarely one point, and its tail is no news; what gets worse is.
 */
export class Habituation {
  /** Strongest response of this period, points left of it. */
  readonly #state = new Float64Array(2);

  update(stimulus: number): number {
    const state = this.#state;
    const left = (state[1] as number) - 1;
    if (left < 0) state[0] = 0;
    state[1] = Math.max(0, left);
    if (stimulus <= (state[0] as number)) return 0;
    state[0] = stimulus;
    state[1] = REFRACTORY_POINTS;
    return stimulus;
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
