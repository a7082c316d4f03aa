/**
 * From scores to crossings: the few moments at which a person should look.
 *
 * A point crosses when it is both new and rare. New: the detector's score is above zero (so the way back to normal, which
 * has been seen before, never crosses). Rare: this far from the level, or this far for so long, or this novel, happens less
 * often than once in `falseAlarmEveryMs` of this series, by tail models fitted to the series itself; or it stays thrice as
 * far off as it ever has, where it is known how much matters. The rate is per time
 * and not per point, so one default suits a series of one second and one of an hour. What was seen only while something was
 * wrong stays new: a fault that comes back is noticed again. A crossing is over when the series has
 * been calm again, or has stayed where it went until that is its level.
 */
import { CalmRange } from "./calm-range.ts";
import { Excursion } from "./excursion.ts";
import { type Lesson, Lessons, NO_LESSON } from "./lessons.ts";
import { Pair } from "./pair.ts";
import { RobustLevel } from "./robust-level.ts";
import { RunningMedian } from "./running-median.ts";
import { StateReader, StateWriter } from "./state-bytes.ts";
import { TailModel, type TailOptions } from "./tail-model.ts";
import { LEAST_SPREAD, SETTLE_POINTS, UsualChange } from "./usual-change.ts";

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
  const version = OLD_VERSIONS.has(first) ? first : ALARM_VERSION;
  alarm.restore(new StateReader("alarm", state, version), version);
  return alarm;
}

export const ALARM_VERSION = 6;
/** What they do not have begins empty. */
const OLD_VERSIONS: ReadonlySet<number> = new Set([1, 2, 3, 4, 5]);
const DAY_MS = 86_400_000;

/** No series is known well enough to cross before. */
export const WARM_UP_POINTS = 200;

/** Points that say where a series is and nothing of its habits: caches are cold, and the machine is busy starting it. */
const START_POINTS = 90;

/**
 * Units that the first movement of a series of zeros counts as. By the prior tail and the default rate it crosses after
 * about nine hours at one point a second: long enough that zero was a habit, and not the time before the first request.
 */
const FIRST_MOVE = 12;

/** Points whose median says how far it is for longer than moments. */
const SUSTAINED_POINTS = 15;

/** So many times what matters is much, and crosses when it stays further off than it ever has. */
const MUCH = 5;

/** However slow the series: rarer than once in this many points. */
const LEAST_RUN_POINTS = 1_000;

/** Points of a crossing for which the level is held where it was. */
const HELD_POINTS = 300;

/** Calm points in a row after which a crossing is over, and spreads within which a point is calm. */
const CLEAR_POINTS = 30;
const CALM_SPREADS = 3;

const LONG_TAIL: TailOptions = { priorThreshold: 2, priorExcess: 1, priorShape: 0.2 };

const NOTHING: AlarmUpdate = {};

class TailAlarm implements Alarm {
  readonly #falseAlarmEveryMs: number;
  readonly #minimumChange: number;
  /** Where nobody has said how much matters, only what is new to the detector is worth a look. */
  readonly #knowsWhatMatters: boolean;
  readonly #accumulates: boolean;
  readonly #level = new RobustLevel();
  readonly #unit = new UsualChange();
  readonly #median = new RunningMedian(SUSTAINED_POINTS);
  /** Where its points have been, two in a row. */
  readonly #calm = new CalmRange(WARM_UP_POINTS - START_POINTS);
  readonly #excursion = new Excursion(WARM_UP_POINTS - START_POINTS);
  readonly #pair = new Pair();
  readonly #lessons = new Lessons();
  /** Where its median has been. */
  readonly #stays = new CalmRange(WARM_UP_POINTS - START_POINTS);
  readonly #far = new TailModel({ priorThreshold: 4, priorExcess: 1, priorShape: 0.2 });
  readonly #long = new TailModel(LONG_TAIL);
  readonly #novel = new TailModel({ priorThreshold: 0.125, priorExcess: 0.25, priorShape: 0.3 });
  /** Time of the newest point, usual interval, points since the newest one that was novel or beyond what was calm. */
  readonly #time = new Float64Array(3);
  #calmPoints = 0;
  #current: Crossing | undefined;

  constructor(options: AlarmOptions) {
    this.#falseAlarmEveryMs = options.falseAlarmEveryMs ?? 14 * DAY_MS;
    this.#minimumChange = options.minimumChange ?? 0;
    this.#knowsWhatMatters = this.#minimumChange > 0;
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
    const leastUnit = Math.max(spread, LEAST_SPREAD * Math.abs(expected), this.#minimumChange / 10);
    const unit = Math.max(leastUnit, this.#unit.usual);
    // A series that has only ever been 0 has no unit to be far in.
    const far = unit > 0 ? Math.abs(change) / unit : change === 0 ? 0 : FIRST_MOVE;
    // How far it goes for a moment is no measure of how far it stays.
    const longUnit = this.#knowsWhatMatters ? leastUnit : unit;
    const median = this.#median.update(value);
    const long = longUnit > 0 && !Number.isNaN(median) ? Math.abs(median - expected) / longUnit : 0;
    const odds = score ** 2 / Math.max(1e-6, 1 - score ** 2);
    const isBeyondCalm = this.#calm.isBeyond(value);
    this.#time[2] = score > 0 || (isBeyondCalm && this.#knowsWhatMatters) ? 0 : (this.#time[2] as number) + 1;
    const current = this.#current;
    // While it is out nothing is learned: that would teach that to go there is usual.
    const isOut = current === undefined && this.#accumulates && this.#excursion.isOut(value, this.#minimumChange);
    const staysOut = isOut && this.#excursion.out(value);
    if (current === undefined ? !isOut : this.#hasLasted(current, timestampMs)) this.#level.update(value);
    if (!this.#knowsWhatMatters) this.#unit.update(Math.abs(change));
    if (current) return this.#follow(current, score, far, value, timestampMs);
    // Three chances to be wrong, but wrong points come in clusters: in simulation the rate asked for is not reached.
    const rarerThan = 1 / runPoints;
    const crosses =
      points >= WARM_UP_POINTS &&
      (staysOut || Math.abs(change) >= this.#minimumChange) &&
      (staysOut ||
        (score > 0 && (this.#far.exceedance(far) < rarerThan || this.#novel.exceedance(odds) < rarerThan)) ||
        (isBeyondCalm && this.#far.exceedance(far) < rarerThan) ||
        this.#isFarOff(median, expected) ||
        (this.#mayHaveMoved(median) && this.#long.exceedance(long) < rarerThan));
    // The first points have no level yet to be far from; the first movement makes the unit: it is one of it.
    const distance = points < SETTLE_POINTS ? Number.NaN : unit > 0 || change === 0 ? far : 1;
    if (!isOut && !this.#knowsWhatMatters)
      this.#learn([distance, long, odds, crosses ? Number.NaN : value, Number.NaN]);
    if (!crosses) {
      if (!isOut && this.#knowsWhatMatters && points >= START_POINTS) {
        const isNew = score > 0 || isBeyondCalm || this.#stays.isBeyond(median, this.#minimumChange);
        if (!Number.isNaN(median)) this.#stays.add(median);
        this.#learnCarefully([distance, long, odds, value, change], isNew, unit);
      }
      return NOTHING;
    }
    // What crossed is no habit where a person has said what matters, and neither is the way there: the first second of a
    // fault is often a part of it.
    this.#lessons.forget();
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

  /** What is new may be the beginning of what crosses: it is learned when some points have come after it. */
  #learnCarefully([distance, long, odds, value, change]: Lesson, isNew: boolean, unit: number): void {
    const calm = this.#pair.shared(value, this.#level.level);
    const lesson: Lesson = [distance, long, odds, calm, Math.abs(change)];
    if (!isNew) this.#learn(lesson);
    const due = this.#lessons.after(isNew ? lesson : NO_LESSON);
    if (due !== undefined) this.#learn(due);
    if (this.#accumulates) this.#learnExcursion(value, unit);
  }

  /** Whether it is, or was a moment ago, where it has not been; or stays where it has only been for moments. */
  #mayHaveMoved(median: number): boolean {
    if ((this.#time[2] as number) < SUSTAINED_POINTS) return true;
    return this.#knowsWhatMatters && this.#stays.isBeyond(median, this.#minimumChange);
  }

  /** What a tail has seen for seconds, it takes for a habit at any distance; where a series has stayed never says so much. */
  #isFarOff(median: number, expected: number): boolean {
    const isMuch = Math.abs(median - expected) > MUCH * this.#minimumChange;
    return this.#knowsWhatMatters && isMuch && this.#stays.isFarBeyond(median, expected);
  }

  #learn([distance, long, odds, calm, change]: Lesson): void {
    if (!Number.isNaN(distance)) {
      this.#far.add(distance);
      this.#long.add(long);
      this.#novel.add(odds);
    }
    if (!Number.isNaN(calm)) this.#calm.add(calm);
    // How far it goes while something is wrong is no measure of how far it usually goes, where another measure is given.
    if (!Number.isNaN(change)) this.#unit.update(change);
  }

  #learnExcursion(value: number, unit: number): void {
    const { peak } = this.#excursion;
    if (peak !== undefined) this.#learnBlip(Math.abs(peak - this.#level.level), unit);
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
   * A lone point is a habit of its series, and learned as one: else rare errors, each alone, would be alarms for ever. What
   * lasted longer is not, so that it is noticed again: a fault that is known is mended within seconds.
   */
  #learnFrom({ startedAtMs, clearedAtMs, value, expected, spread, peakScore }: ClearedCrossing): void {
    const points = Math.round((clearedAtMs - startedAtMs) / Math.max(1, this.#time[1] as number)) + 1 - CLEAR_POINTS;
    if (!this.#knowsWhatMatters || points > 1) return;
    const change = Math.abs(value - expected);
    const unit = Math.max(spread, this.#unit.usual, LEAST_SPREAD * Math.abs(expected), this.#minimumChange / 10);
    this.#learnBlip(change, unit);
    this.#novel.add(peakScore ** 2 / Math.max(1e-6, 1 - peakScore ** 2));
  }

  /** How far it goes for a moment; that it may stay there is not said. */
  #learnBlip(change: number, unit: number): void {
    this.#far.add(change / unit);
    this.#unit.update(change);
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

  #parts(version = ALARM_VERSION) {
    // In older versions what lasts was measured in another way: its newest points and its tail begin anew.
    const isOlder = version < ALARM_VERSION;
    const median = isOlder ? new RunningMedian(SUSTAINED_POINTS) : this.#median;
    const long = isOlder ? new TailModel(LONG_TAIL) : this.#long;
    const parts = [this.#level, this.#unit, median, this.#far, long, this.#novel];
    const later = [this.#calm, this.#excursion, this.#pair, this.#lessons, this.#stays];
    return [...parts, ...later.slice(0, version - 1)];
  }

  save(): Uint8Array {
    const out = new StateWriter();
    out.byte(ALARM_VERSION);
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
