/** Numbers and times for people. Times are UTC, as in the files they are compared with. */
import { formatDuration } from "#core/duration.ts";

/** `2026-11-23 23:07:05Z`; with milliseconds only where there are some. */
export function formatTime(timeMs: number): string {
  if (!Number.isFinite(timeMs) || Math.abs(timeMs) > 8.64e15) return "?";
  return new Date(timeMs).toISOString().replace("T", " ").replace(".000Z", "Z");
}

export function formatAgo(timeMs: number | null, nowMs: number): string {
  if (timeMs === null) return "never";
  const agoMs = nowMs - timeMs;
  return agoMs < 1_000 ? "now" : `${formatDuration(agoMs)} ago`;
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 row`, `2 rows`. */
export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Up to five significant digits, without an exponent where a person can do without. */
export function formatValue(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-6) return value.toExponential(3);
  return String(Number(value.toPrecision(Math.max(5, Math.ceil(Math.log10(size))))));
}

/** `70 %`, `–` where nothing is known. */
export function formatShare(share: number | null): string {
  return share === null ? "–" : `${Math.round(100 * share)} %`;
}

export function formatBytes(bytes: number | null): string {
  if (bytes === null) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${round(bytes / 1_000 ** power, power < 3 ? 0 : 1)} ${units[power]}`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
