/** Times as people write them, to milliseconds since the epoch. */

/** Names of the column or field that holds the time, in lower case. */
export const TIME_NAMES: ReadonlySet<string> = new Set(["timestamp", "time", "datetime", "date", "ts"]);

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(?:Z|z|UTC|([+-])(\d\d):?(\d\d)?)?)?$/;
const NUMBER = /^[+-]?\d+(?:\.\d*)?$/;

/**
 * Reads `YYYY-MM-DD`, `YYYY-MM-DD HH:MM[:SS[.fraction]]` or ISO 8601 with a zone, or a number since the epoch; without a zone the time
 * is UTC. Digits beyond the millisecond are cut off. NaN for anything else, a 30th of February included.
 *
 * The unit of a number follows from its size: below 1e11 seconds (until the year 5138), below 1e14 milliseconds, below 1e17
 * microseconds, else nanoseconds.
 */
export function parseTimestamp(text: string): number {
  const plain = parsePlain(text);
  if (!Number.isNaN(plain)) return plain;
  const trimmed = text.trim();
  if (NUMBER.test(trimmed)) return fromEpoch(Number(trimmed));
  const match = ISO.exec(trimmed);
  if (!match) return Number.NaN;
  const [, year, month, day, hour, minute, second, fraction, sign, zoneHours, zoneMinutes] = match;
  const ms = Number((fraction ?? "").padEnd(3, "0").slice(0, 3));
  const time = civilTime(+year!, +month!, +day!, +(hour ?? 0), +(minute ?? 0), +(second ?? 0));
  const zoneMs = (Number(zoneHours ?? 0) * 60 + Number(zoneMinutes ?? 0)) * 60_000;
  return time + ms - (sign === "-" ? -zoneMs : zoneMs);
}

/** A number since the epoch, its unit decided by its size as for `parseTimestamp`. NaN when not finite. */
export function fromEpoch(value: number): number {
  const size = Math.abs(value);
  if (size < 1e11) return Math.round(value * 1_000);
  if (size < 1e14) return Math.floor(value);
  if (size < 1e17) return Math.floor(value / 1e3);
  return size < 1e20 ? Math.floor(value / 1e6) : Number.NaN;
}

/** The one form nearly all rows have, `YYYY-MM-DD HH:MM:SS`, without a regular expression: five times as fast. */
function parsePlain(text: string): number {
  if (text.length !== 19) return Number.NaN;
  const separator = text.charCodeAt(10);
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45 || (separator !== 32 && separator !== 84))
    return Number.NaN;
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return Number.NaN;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  return civilTime(
    year,
    twoDigits(text, 5),
    twoDigits(text, 8),
    twoDigits(text, 11),
    twoDigits(text, 14),
    twoDigits(text, 17),
  );
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/** NaN when a part is out of range or not a number. */
function civilTime(year: number, month: number, day: number, hour: number, minute: number, second: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const before = DAYS_BEFORE_MONTH[month - 1]!;
  const length = DAYS_BEFORE_MONTH[month]! - before + (month === 2 && isLeap ? 1 : 0);
  if (day > length) return Number.NaN;
  const past = year - 1;
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) - 477;
  const days = (year - 1970) * 365 + leapDays + before + (isLeap && month > 2 ? 1 : 0) + day - 1;
  return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000;
}
