import type { Scale } from "./scale.ts";
import type { StateReader, StateWriter } from "./state-bytes.ts";

/** Slowest rate at which the mean follows: about a day of points at one a second, a year at one in five minutes. */
const SLOWEST = 1 / 100_000;

/** Share of the mean magnitude around which the scale turns from linear to logarithmic. */
const KNEE = 0.3;

/**
 * A scale on which both a doubled latency and a vanished load are large: asinh(value / (KNEE * mean |value|)).
 *
 * Most telemetry is counts, rates and durations, whose zero means something and whose spread grows with their level, so
 * equal ratios and not equal differences are equally surprising. asinh is the variance-stabilising transform that also
 * takes zero and negative values (Burbidge, Magee and Robb, JASA 83, 1988).
 */
export class Magnitude implements Scale {
  /** Points seen, mean absolute value. */
  readonly #state = new Float64Array(2);

  update(value: number): void {
    const state = this.#state;
    const points = (state[0] as number) + 1;
    const previous = state[1] as number;
    state[0] = points;
    state[1] = previous + Math.max(1 / points, SLOWEST) * (Math.abs(value) - previous);
  }

  get points(): number {
    return this.#state[0] as number;
  }

  get mean(): number {
    return this.#state[1] as number;
  }

  to(value: number): number {
    const knee = KNEE * this.mean;
    return knee > 0 ? Math.asinh(value / knee) : 0;
  }

  from(scaled: number): number {
    return KNEE * this.mean * Math.sinh(scaled);
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}
