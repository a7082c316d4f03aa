/**
 * Streaming anomaly detection for one series: how new is this value, for this time of the day and of the week?
 *
 * Two supports (what has been seen when) vote with equal weight: hours of the day on a scale of ratios, four-hour parts of
 * the week on the series' own scale. A habituation drops the tail of an event. One value at a time, no look-ahead, no
 * parameter per series, the same bits on every machine that rounds as IEEE 754 says. The README beside has the figures
 * and says what was chosen how.
 */
import { Habituation } from "./habituation.ts";
import { Magnitude } from "./magnitude.ts";
import { RobustLevel } from "./robust-level.ts";
import { LINEAR } from "./scale.ts";
import { SeasonalSupport } from "./seasonal-support.ts";
import { StateReader, StateWriter } from "./state-bytes.ts";

export interface Detector {
  /**
   * Scores the next point; timestamps strictly increase, values are finite. Returns the anomaly score in [0, 1], a
   * multiple of 1/1000: so that scores compare exactly and compress well.
   */
  update(value: number, timestampMs: number): number;
  /** Robust level of the series before the newest point. */
  expected(): number;
  /** Robust spread around it, like a standard deviation, before the newest point. */
  spread(): number;
  /** The whole state as bytes; restoreDetector(save()) continues bit-identically. Versioned first byte. */
  save(): Uint8Array;
}

/** A new detector, which has seen nothing. */
export function createDetector(): Detector {
  return new NoveltyDetector();
}

/** @throws Error that names what is wrong when the bytes are not those of a detector of this version. */
export function restoreDetector(state: Uint8Array): Detector {
  const detector = new NoveltyDetector();
  detector.restore(new StateReader("detector", state, DETECTOR_VERSION));
  return detector;
}

export const DETECTOR_VERSION = 1;
const DAY_MS = 86_400_000;

/** Less than a hundredth of the usual magnitude is no movement worth a name. */
const LEAST_WIDTH = 0.01;

/** Points after which the range of a first day is half trusted. */
const HALF_TRUST_POINTS = 300;

class NoveltyDetector implements Detector {
  readonly #magnitude = new Magnitude();
  readonly #day = new SeasonalSupport({ periodMs: DAY_MS, parts: 24, cuts: 2, halfTrust: 3 });
  readonly #week = new SeasonalSupport({ periodMs: 7 * DAY_MS, parts: 42, cuts: 1, halfTrust: 2 });
  readonly #habituation = new Habituation();
  readonly #level = new RobustLevel();
  readonly #before = new Float64Array(2);

  update(value: number, timestampMs: number): number {
    this.#before[0] = this.#level.level;
    this.#before[1] = this.#level.spread;
    this.#level.update(value);
    const points = this.#magnitude.points;
    this.#magnitude.update(value);
    const firstDayTrust = points / (points + HALF_TRUST_POINTS);
    const day = this.#day.update(value, timestampMs, this.#magnitude, LEAST_WIDTH, firstDayTrust);
    const week = this.#week.update(value, timestampMs, LINEAR, LEAST_WIDTH * this.#magnitude.mean, 0);
    // The square root spreads the low end, where decisions are made, over more of the grid.
    return Math.round(1000 * Math.sqrt(this.#habituation.update((day + week) / 2))) / 1000;
  }

  expected(): number {
    return this.#before[0] as number;
  }

  spread(): number {
    return this.#before[1] as number;
  }

  save(): Uint8Array {
    const out = new StateWriter();
    out.byte(DETECTOR_VERSION);
    for (const part of this.#parts()) part.save(out);
    out.numbers(this.#before);
    return out.bytes();
  }

  restore(from: StateReader): void {
    for (const part of this.#parts()) part.restore(from);
    from.numbers(this.#before);
    from.end();
  }

  #parts() {
    return [this.#magnitude, this.#day, this.#week, this.#habituation, this.#level];
  }
}
