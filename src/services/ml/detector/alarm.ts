/**
 * From scores to crossings: the few moments at which a person should look.
 *
 * A point crosses when it is both new and rare. New: the detector's score is above zero (so the way back to normal, which
 * has been seen before, never crosses). Rare: this far from the level, or this far for so long, or this novel, happens less
 * often than once in `falseAlarmEveryMs` of this series, by tail models fitted to the series itself. The rate is per time
 * and not per point, so one default suits a series of one second and one of an hour. What was seen only while something was
 * wrong stays new: a fault that comes back is noticed again. A crossing is over when the series has
 * been calm again, or has stayed where it went until that is its level.
 */
import { Excursion } from "./excursion.ts";
import { RobustLevel } from "./robust-level.ts";
import { StateReader, StateWriter } from "./state-bytes.ts";
import { TailModel } from "./tail-model.ts";

export interface AlarmOptions {
  /**
   * Mean time between false alarms of one series without any change.
   * @default 14 days
   */
  readonly falseAlarmEveryMs?: number;
  /**
   * Smallest change that matters in practice, in the unit of the series: a processor that goes from 1 % to 9 % is far out
   * and of no interest. Give it wherever it is known; a series that has only ever been 0 has no scale without it, and its
   * first movement crosses only after hours of nothing.
   * @default 0
   */
  readonly minimumChange?: number;
  /**
   * Whether the series keeps what it takes, as memory, disks and queues do. Then it also crosses when it has risen above the
   * range that it kept to until some minutes ago, by more than `minimumChange`, for 15 points: a leak, whose steps are not rare.
   * @default false
   */
  readonly accumulates?: boolean;
}

/** The beginning of something worth a look. */
export interface Crossing {
  readonly startedAtMs: number;
  /** Highest score so far. */
  readonly peakScore: number;
  /** The value that crossed. */
  readonly value: number;
  /** The robust level before it, and the spread around it: "93, expected 20 ± 3". */
  readonly expected: number;
  readonly spread: number;
  readonly direction: "up" | "down";
}

export interface ClearedCrossing extends Crossing {
  readonly clearedAtMs: number;
}

/** At most one of the two is there. */
export interface AlarmUpdate {
  readonly crossing?: Crossing;
  readonly cleared?: ClearedCrossing;
}

export interface Alarm {
  /** Takes the newest point and its score; timestamps strictly increase. */
  update(score: number, value: number, timestampMs: number): AlarmUpdate;
  /** The crossing that is not over, if any. */
  current(): Crossing | undefined;
  /** State as bytes; restoreAlarm(save(), options) continues bit-identically. Versioned first byte. */
  save(): Uint8Array;
}

export function createAlarm(options: AlarmOptions = {}): Alarm {
  return new TailAlarm(options);
}

/** @throws Error that names what is wrong when the bytes are not those of an alarm of this version. */
export function restoreAlarm(state: Uint8Array, options: AlarmOptions = {}): Alarm {
  const alarm = new TailAlarm(options);
  const [first = 0] = state;
  const version = OLD_VERSIONS.has(first) ? first : VERSION;
  alarm.restore(new StateReader("alarm", state, version), version);
  return alarm;
}

const VERSION = 3;
/** Before the excursions, and before the calm range as well: what is missing begins empty. */
const OLD_VERSIONS: ReadonlySet<number> = new Set([1, 2]);
const DAY_MS = 86_400_000;

/** No series is known well enough to cross before. */
export const WARM_UP_POINTS = 200;

/** Points before anything is learned about changes. */
const SETTLE_POINTS = 30;

/**
 * Units that the first movement of a series of zeros counts as. By the prior tail and the default rate it crosses after
 * about nine hours at one point a second: long enough that zero was a habit, and not the time before the first request.
 */
const FIRST_MOVE = 12;

/** Points that must agree before a lesser change counts as a lasting one. */
const SUSTAINED_POINTS = 15;

/** What is over within so many points is a blip. */
const BLIP_POINTS = 2;

/** A change counts up to this many usual ones; the usual one follows over about a day of points at one a second. */
const MOST_USUAL = 30;
const USUAL_MEMORY_POINTS = 100_000;

/** However slow the series: rarer than once in this many points. */
const LEAST_RUN_POINTS = 1_000;

/** Points over which the calm range closes in: about a day at one a second. */
const CALM_MEMORY_POINTS = 100_000;

/** Points of a crossing for which the level is held where it was. */
const HELD_POINTS = 300;

/** Calm points in a row after which a crossing is over, and spreads within which a point is calm. */
const CLEAR_POINTS = 30;
const CALM_SPREADS = 3;

/** A level's own unit: less than this share of it is no movement. */
const LEAST_SPREAD = 0.01;

const NOTHING: AlarmUpdate = {};

class TailAlarm implements Alarm {
  readonly #falseAlarmEveryMs: number;
  readonly #minimumChange: number;
  readonly #accumulates: boolean;
  readonly #level = new RobustLevel();
  readonly #unit = new UsualChange();
  readonly #sustained = new SustainedChange();
  readonly #calm = new CalmRange();
  readonly #excursion = new Excursion();
  readonly #far = new TailModel({ priorThreshold: 4, priorExcess: 1, priorShape: 0.2 });
  readonly #long = new TailModel({ priorThreshold: 2, priorExcess: 1, priorShape: 0.2 });
  readonly #novel = new TailModel({ priorThreshold: 0.125, priorExcess: 0.25, priorShape: 0.3 });
  /** Time of the newest point, usual interval, points since the newest one that was novel. */
  readonly #time = new Float64Array(3);
  #calmPoints = 0;
  #current: Crossing | undefined;

  constructor(options: AlarmOptions) {
    this.#falseAlarmEveryMs = options.falseAlarmEveryMs ?? 14 * DAY_MS;
    this.#minimumChange = options.minimumChange ?? 0;
    this.#accumulates = options.accumulates ?? false;
    if (!(this.#falseAlarmEveryMs > 0)) {
      throw new Error(`falseAlarmEveryMs is ${this.#falseAlarmEveryMs}; it must be above 0`);
    }
    if (!(this.#minimumChange >= 0)) throw new Error(`minimumChange is ${this.#minimumChange}; it must be 0 or more`);
  }

  update(score: number, value: number, timestampMs: number): AlarmUpdate {
    const points = this.#level.points;
    const expected = this.#level.level;
    const spread = this.#level.spread;
    const runPoints = this.#runPoints(timestampMs);
    const change = points === 0 ? 0 : Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value - expected));
    const unit = Math.max(spread, this.#unit.usual, LEAST_SPREAD * Math.abs(expected), this.#minimumChange / 10);
    // A series that has only ever been 0 has no unit to be far in.
    const far = unit > 0 ? Math.abs(change) / unit : change === 0 ? 0 : FIRST_MOVE;
    const long = unit > 0 ? this.#sustained.update(change) / unit : 0;
    const odds = score ** 2 / Math.max(1e-6, 1 - score ** 2);
    this.#time[2] = score > 0 ? 0 : (this.#time[2] as number) + 1;
    const current = this.#current;
    // While it is out nothing is learned: that would teach that to go there is usual.
    const isOut = current === undefined && this.#accumulates && this.#excursion.isOut(value, this.#minimumChange);
    const staysOut = isOut && this.#excursion.out(value);
    if (current === undefined ? !isOut : this.#hasLasted(current, timestampMs)) this.#level.update(value);
    if (this.#minimumChange === 0) this.#unit.update(Math.abs(change));
    if (current) return this.#follow(current, score, far, value, timestampMs);
    // Three chances to be wrong, but wrong points come in clusters: in simulation the rate asked for is not reached.
    const rarerThan = 1 / runPoints;
    const crosses =
      points >= WARM_UP_POINTS &&
      (staysOut || Math.abs(change) >= this.#minimumChange) &&
      (staysOut ||
        (score > 0 && (this.#far.exceedance(far) < rarerThan || this.#novel.exceedance(odds) < rarerThan)) ||
        (this.#calm.isBeyond(value) && this.#far.exceedance(far) < rarerThan) ||
        ((this.#time[2] as number) < SUSTAINED_POINTS && this.#long.exceedance(long) < rarerThan));
    // The first points have no level yet to be far from. What crossed is no habit where a person has said what matters.
    if (points >= SETTLE_POINTS && !isOut && !(crosses && this.#minimumChange > 0)) {
      // The first movement makes the unit: it is one of it.
      this.#far.add(unit > 0 || change === 0 ? far : 1);
      this.#long.add(long);
      this.#novel.add(odds);
    }
    if (!crosses) {
      if (!isOut) this.#learnCalm(value, change, unit);
      return NOTHING;
    }
    // The level has followed a slow one.
    const routine = staysOut ? this.#excursion.high : expected;
    const direction = value >= routine ? "up" : "down";
    this.#current = { startedAtMs: timestampMs, peakScore: score, value, expected: routine, spread, direction };
    this.#calmPoints = 0;
    return { crossing: this.#current };
  }

  current(): Crossing | undefined {
    return this.#current;
  }

  #learnCalm(value: number, change: number, unit: number): void {
    this.#calm.add(value);
    if (this.#minimumChange === 0) return;
    // How far it goes while something is wrong is no measure of how far it usually goes, where another measure is given.
    this.#unit.update(Math.abs(change));
    if (!this.#accumulates) return;
    const { peak } = this.#excursion;
    if (peak !== undefined) this.#learnBlip(peak, Math.abs(peak - this.#level.level), unit);
    this.#excursion.add(value);
  }

  #follow(current: Crossing, score: number, spreads: number, value: number, timestampMs: number): AlarmUpdate {
    if (score > current.peakScore) this.#current = { ...current, peakScore: score };
    this.#calmPoints = spreads < CALM_SPREADS ? this.#calmPoints + 1 : 0;
    if (this.#calmPoints < CLEAR_POINTS) return NOTHING;
    const cleared = { ...(this.#current ?? current), clearedAtMs: timestampMs };
    this.#current = undefined;
    this.#learnFrom(cleared);
    if (this.#accumulates) this.#excursion.accept(value);
    return { cleared };
  }

  /**
   * A blip is a habit of its series, and learned as one: else rare errors, each alone, would be alarms for ever. What lasted
   * longer is not, so that it is noticed again: a fault that is known is mended within seconds.
   */
  #learnFrom({ startedAtMs, clearedAtMs, value, expected, spread, peakScore }: ClearedCrossing): void {
    const lastedPoints = (clearedAtMs - startedAtMs) / Math.max(1, this.#time[1] as number) - CLEAR_POINTS;
    if (this.#minimumChange === 0 || lastedPoints >= BLIP_POINTS) return;
    const change = Math.abs(value - expected);
    const unit = Math.max(spread, this.#unit.usual, LEAST_SPREAD * Math.abs(expected), this.#minimumChange / 10);
    this.#learnBlip(value, change, unit);
    this.#novel.add(peakScore ** 2 / Math.max(1e-6, 1 - peakScore ** 2));
  }

  #learnBlip(value: number, change: number, unit: number): void {
    this.#far.add(change / unit);
    this.#unit.update(change);
    this.#calm.add(value);
  }

  /** So long that where it went may be its new level: before that the level waits for it to come back. */
  #hasLasted({ startedAtMs }: Crossing, timestampMs: number): boolean {
    return timestampMs - startedAtMs > HELD_POINTS * (this.#time[1] as number);
  }

  /** Points in the wanted time between false alarms. */
  #runPoints(timestampMs: number): number {
    const time = this.#time;
    const points = this.#level.points;
    const usual = time[1] as number;
    if (points > 0) {
      const interval = timestampMs - (time[0] as number);
      // A gap counts as two intervals at most.
      const bounded = points > 1 ? Math.min(interval, 2 * usual) : interval;
      time[1] = usual + Math.max(1 / points, 1 / 1_000) * (bounded - usual);
    }
    time[0] = timestampMs;
    return Math.max(LEAST_RUN_POINTS, this.#falseAlarmEveryMs / Math.max(1, time[1] as number));
  }

  #parts(version = VERSION) {
    const parts = [this.#level, this.#unit, this.#sustained, this.#far, this.#long, this.#novel];
    const later = [this.#calm, this.#excursion];
    return [...parts, ...later.slice(0, version - 1)];
  }

  save(): Uint8Array {
    const out = new StateWriter();
    out.byte(VERSION);
    for (const part of this.#parts()) part.save(out);
    out.numbers(this.#time);
    const open = this.#current;
    out.byte(open === undefined ? 0 : open.direction === "up" ? 1 : 2);
    if (open) {
      out.byte(this.#calmPoints);
      out.numbers([open.startedAtMs, open.peakScore, open.value, open.expected, open.spread]);
    }
    return out.bytes();
  }

  restore(from: StateReader, version: number): void {
    for (const part of this.#parts(version)) part.restore(from);
    from.numbers(this.#time);
    const open = from.byte();
    if (open > 2) throw new Error(`alarm state names direction ${open}; known are 0 (none), 1 (up) and 2 (down)`);
    if (open > 0) {
      this.#calmPoints = from.byte();
      const fields = new Float64Array(5);
      from.numbers(fields);
      const [startedAtMs, peakScore, value, expected, spread] = fields as unknown as [
        number,
        number,
        number,
        number,
        number,
      ];
      this.#current = { startedAtMs, peakScore, value, expected, spread, direction: open === 1 ? "up" : "down" };
    }
    from.end();
  }
}

/**
 * How far the series goes when it moves at all. A series of zeros with a few requests an hour has a spread of nothing, and
 * a mean change that says how seldom it moves; neither is a unit for how far it went.
 */
class UsualChange {
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

/** The range of what was seen while nothing was wrong, closing in slowly on where the series is. */
class CalmRange {
  /** Values seen, lowest, highest. */
  readonly #state = new Float64Array(3);

  /** Whether it is outside of what has ever been calm; false while too little is known. */
  isBeyond(value: number): boolean {
    const [seen, low, high] = this.#state as unknown as [number, number, number];
    return seen >= WARM_UP_POINTS && (value < low || value > high);
  }

  add(value: number): void {
    const state = this.#state;
    const seen = (state[0] as number) + 1;
    const [, low, high] = state as unknown as [number, number, number];
    state[0] = seen;
    state[1] = seen === 1 || value < low ? value : low + (value - low) / CALM_MEMORY_POINTS;
    state[2] = seen === 1 || value > high ? value : high + (value - high) / CALM_MEMORY_POINTS;
  }

  save(out: StateWriter): void {
    out.numbers(this.#state);
  }

  restore(from: StateReader): void {
    from.numbers(this.#state);
  }
}

/** The change that all of the newest points have in common: one wild point has no part in it. */
class SustainedChange {
  readonly #ring = new Float64Array(SUSTAINED_POINTS);
  readonly #next = new Int32Array(1);

  /** Takes a signed change; returns how far all of the newest are to one side. */
  update(change: number): number {
    const next = this.#next[0] as number;
    this.#ring[next] = change;
    this.#next[0] = (next + 1) % SUSTAINED_POINTS;
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < SUSTAINED_POINTS; i++) {
      const one = this.#ring[i] as number;
      if (one < low) low = one;
      if (one > high) high = one;
    }
    return Math.max(low, -high, 0);
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
