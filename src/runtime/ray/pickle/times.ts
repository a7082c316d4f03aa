import type { Inert } from "./inert.ts";
import { PickleError } from "./pickle-error.ts";

/** A duration, normalised as Python does: 0 ≤ seconds < 86,400 and 0 ≤ microseconds < 1,000,000; days have the sign. */
export class PyTimeDelta {
  readonly days: number;
  readonly seconds: number;
  readonly microseconds: number;

  constructor(days: number, seconds = 0, microseconds = 0) {
    this.days = days;
    this.seconds = seconds;
    this.microseconds = microseconds;
  }

  /** In milliseconds, to the microsecond while below 285 years. */
  toMs(): number {
    return (this.days * 86_400 + this.seconds) * 1_000 + this.microseconds / 1_000;
  }
}

/** `datetime.timezone`: a fixed offset, with a name or without. A zone with rules, as zoneinfo's, is an `InertObject`. */
export class PyTimeZone {
  readonly offset: PyTimeDelta;
  readonly name: string | null;

  constructor(offset: PyTimeDelta, name: string | null = null) {
    this.offset = offset;
    this.name = name;
  }
}

export const UTC = new PyTimeZone(new PyTimeDelta(0));

/** What a date and time or a time belongs to; `null` is Python's naive. */
export type PyZone = PyTimeZone | Inert | null;

export class PyDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;

  constructor(year: number, month: number, day: number) {
    this.year = year;
    this.month = month;
    this.day = day;
  }
}

export class PyTime {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly microsecond: number;
  readonly zone: PyZone;
  /** 1 for the second of two equal local times when a clock is set back. */
  readonly fold: 0 | 1;

  constructor(hour: number, minute: number, second = 0, microsecond = 0, zone: PyZone = null, fold: 0 | 1 = 0) {
    this.hour = hour;
    this.minute = minute;
    this.second = second;
    this.microsecond = microsecond;
    this.zone = zone;
    this.fold = fold;
  }
}

export class PyDateTime {
  readonly date: PyDate;
  readonly time: PyTime;

  constructor(date: PyDate, time: PyTime) {
    this.date = date;
    this.time = time;
  }

  /** The moment in UTC, to the millisecond. */
  static fromDate(date: Date): PyDateTime {
    const ms = date.getTime();
    if (!(ms >= EARLIEST_MS && ms <= LATEST_MS)) {
      throw new PickleError(
        "unsupported",
        `The date ${String(ms)} ms is not within the years 1 to 9999 that Python knows.`,
      );
    }
    return new PyDateTime(
      new PyDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()),
      new PyTime(
        date.getUTCHours(),
        date.getUTCMinutes(),
        date.getUTCSeconds(),
        date.getUTCMilliseconds() * 1_000,
        UTC,
      ),
    );
  }

  /** The moment, cut to the millisecond; undefined where the zone is none or not a fixed offset. */
  toDate(): Date | undefined {
    const { date, time } = this;
    if (!(time.zone instanceof PyTimeZone)) return undefined;
    const local = new Date(0);
    local.setUTCFullYear(date.year, date.month - 1, date.day);
    local.setUTCHours(time.hour, time.minute, time.second, Math.floor(time.microsecond / 1_000));
    return new Date(local.getTime() - time.zone.offset.toMs());
  }
}

const EARLIEST_MS = Date.parse("0001-01-01T00:00:00.000Z");
const LATEST_MS = Date.parse("9999-12-31T23:59:59.999Z");
