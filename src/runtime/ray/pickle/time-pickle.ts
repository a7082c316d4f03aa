/**
 * Times as Python's datetime module pickles them: a call of the class with its fields as bytes, most significant first. The
 * fold is the highest bit of a date and time's month, and of a time's hour.
 */
import { InertGlobal, InertObject } from "./inert.ts";
import { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone, type PyZone } from "./times.ts";
import { PyCall, PyGlobal, type PyValue } from "./values.ts";

const FOLD = 0x80;

/** The call that makes the time in Python. */
export function timeCall(value: PyDateTime | PyDate | PyTime | PyTimeDelta | PyTimeZone): PyCall {
  if (value instanceof PyDate) return call("date", Uint8Array.from(dateBytes(value)));
  if (value instanceof PyTime) return call("time", timeBytes(value, true), ...zoneArgument(value.zone));
  if (value instanceof PyTimeDelta) return call("timedelta", value.days, value.seconds, value.microseconds);
  if (value instanceof PyTimeZone) return call("timezone", value.offset, ...(value.name === null ? [] : [value.name]));
  const bytes = Uint8Array.from([...dateBytes(value.date), ...timeBytes(value.time, false)]);
  if (value.time.fold === 1) bytes[2] = (bytes[2] ?? 0) | FOLD;
  return call("datetime", bytes, ...zoneArgument(value.time.zone));
}

/** The time that a call of a class in `datetime` stands for; undefined if Python would not have written it so. */
export function readDate(args: readonly PyValue[]): PyDate | undefined {
  const [bytes] = args;
  return args.length === 1 && bytes instanceof Uint8Array && bytes.length === 4 ? dateOf(bytes) : undefined;
}

export function readTime(args: readonly PyValue[]): PyTime | undefined {
  const [bytes, zone = null] = args;
  if (args.length > 2 || !(bytes instanceof Uint8Array) || bytes.length !== 6 || !isZone(zone)) return undefined;
  const hour = bytes[0] ?? 0;
  return timeOf(Uint8Array.from([hour & ~FOLD, ...bytes.subarray(1)]), zone, hour >= FOLD ? 1 : 0);
}

export function readDateTime(args: readonly PyValue[]): PyDateTime | undefined {
  const [bytes, zone = null] = args;
  if (args.length > 2 || !(bytes instanceof Uint8Array) || bytes.length !== 10 || !isZone(zone)) return undefined;
  const month = bytes[2] ?? 0;
  const date = dateOf(Uint8Array.of(bytes[0] ?? 0, bytes[1] ?? 0, month & ~FOLD, bytes[3] ?? 0));
  const time = timeOf(bytes.subarray(4), zone, month >= FOLD ? 1 : 0);
  return date === undefined || time === undefined ? undefined : new PyDateTime(date, time);
}

export function readTimeDelta(args: readonly PyValue[]): PyTimeDelta | undefined {
  const [days, seconds, microseconds] = args;
  if (args.length !== 3 || !isWithin(days, -999_999_999, 999_999_999)) return undefined;
  if (!isWithin(seconds, 0, 86_399) || !isWithin(microseconds, 0, 999_999)) return undefined;
  return new PyTimeDelta(days, seconds, microseconds);
}

export function readTimeZone(args: readonly PyValue[]): PyTimeZone | undefined {
  const [offset, name = null] = args;
  if (args.length > 2 || !(offset instanceof PyTimeDelta) || Math.abs(offset.toMs()) >= 86_400_000) return undefined;
  return name === null || typeof name === "string" ? new PyTimeZone(offset, name) : undefined;
}

function call(name: string, ...args: PyValue[]): PyCall {
  return new PyCall(new PyGlobal("datetime", name), args);
}

function zoneArgument(zone: PyZone): PyValue[] {
  return zone === null ? [] : [zone];
}

function dateBytes(date: PyDate): number[] {
  return [date.year >> 8, date.year & 0xff, date.month, date.day];
}

function timeBytes(time: PyTime, withFold: boolean): Uint8Array {
  const { hour, minute, second, microsecond } = time;
  const fold = withFold && time.fold === 1 ? FOLD : 0;
  return Uint8Array.of(hour | fold, minute, second, microsecond >> 16, (microsecond >> 8) & 0xff, microsecond & 0xff);
}

function dateOf(bytes: Uint8Array): PyDate | undefined {
  const [high = 0, low = 0, month = 0, day = 0] = bytes;
  const year = (high << 8) | low;
  if (!isWithin(year, 1, 9999) || !isWithin(month, 1, 12)) return undefined;
  // Day 0 of the next month is the last of this one. The year 2000 stands for any leap year below 100, which Date would move.
  const calendar = new Date(Date.UTC(2000, month, 0));
  calendar.setUTCFullYear(year, month, 0);
  return isWithin(day, 1, calendar.getUTCDate()) ? new PyDate(year, month, day) : undefined;
}

function timeOf(bytes: Uint8Array, zone: PyZone, fold: 0 | 1): PyTime | undefined {
  const [hour = 0, minute = 0, second = 0, high = 0, middle = 0, low = 0] = bytes;
  const microsecond = (high << 16) | (middle << 8) | low;
  if (hour > 23 || minute > 59 || second > 59 || microsecond > 999_999) return undefined;
  return new PyTime(hour, minute, second, microsecond, zone, fold);
}

function isZone(value: PyValue): value is PyZone {
  return value === null || value instanceof PyTimeZone || value instanceof InertObject || value instanceof InertGlobal;
}

function isWithin(value: PyValue | undefined, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}
