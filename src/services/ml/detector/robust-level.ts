import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Points over which level and spread follow a change. */
const MEMORY_POINTS = 600;

/** Deviations count up to this many spreads: Huber's influence function keeps one wild point from moving the level. */
const CLIP_SPREADS = 3;

/** Mean absolute deviation of a Gaussian to its standard deviation. */
const DEVIATION_TO_SIGMA = Math.sqrt(Math.PI / 2);

/** Differences stay finite below it. */
const LARGEST = 1e300;

/** Where a series has been lately, and how far it usually strays: "20 ± 3". Huber's M-estimators in their streaming form. */
export class RobustLevel {
  /** Points, level, mean absolute deviation. */
  readonly #state = new Float64Array(3);

  /** 0 before the first point. */
  get level(): number {
    return this.#state[1] as number;
  }

  /** In the unit of the series, comparable with a standard deviation. */
  get spread(): number {
    return (this.#state[2] as number) * DEVIATION_TO_SIGMA;
  }

  get points(): number {
    return this.#state[0] as number;
  }

  update(newest: number): void {
    const value = Math.max(-LARGEST, Math.min(LARGEST, newest));
    const state = this.#state;
    const points = (state[0] as number) + 1;
    state[0] = points;
    if (points === 1) {
      state[1] = value;
      return;
    }
    // Until the memory is full a point weighs as much as its place in the series (Lacoste-Julien, Schmidt and Bach 2012,
    // arXiv:1212.2002, section 3): a start on a busy machine is forgotten within minutes.
    const rate = Math.max(2 / (points + 1), 1 / MEMORY_POINTS);
    const mean = state[1] as number;
    const deviation = state[2] as number;
    const miss = value - mean;
    // A spread of nothing would clip everything for ever: a series that starts to move is let move.
    const limit = deviation > 0 && points > 20 ? CLIP_SPREADS * deviation : Math.abs(miss);
    const clipped = Math.max(-limit, Math.min(limit, miss));
    state[1] = mean + rate * clipped;
    state[2] = deviation + rate * (Math.abs(clipped) - deviation);
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
