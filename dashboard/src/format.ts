/** Figures and times as people read them. */

const UNITS = [
  [1_000, 60, "s"],
  [60_000, 60, "min"],
  [3_600_000, 24, "h"],
  [86_400_000, Number.POSITIVE_INFINITY, "d"],
] as const;

/** `3.2 s`, `12 min`, `4 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(Math.max(0, ms))} ms`;
  const [size, , unit] = UNITS.find(([one, most]) => ms < one * most) ?? UNITS[3];
  const value = ms / size;
  return `${value < 10 && unit === "s" ? value.toFixed(1) : Math.floor(value)} ${unit}`;
}

export const ago = (atMs: number, nowMs: number): string => `${duration(nowMs - atMs)} ago`;

/** Three significant digits, `–` where nothing is known. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(1);
  return size >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export const percent = (share: number): string => `${Math.round(100 * share)} %`;

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const clock = (atMs: number): string => CLOCK.format(atMs);
const MINUTE = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** As short as tells them apart. */
export function timeLabels(timesMs: readonly number[]): string[] {
  const stepMs = (timesMs[1] ?? 0) - (timesMs[0] ?? 0);
  const format = stepMs < 60_000 ? CLOCK : stepMs < 12 * 3_600_000 ? MINUTE : DAY;
  return timesMs.map((atMs) => format.format(atMs));
}

export const day = (atMs: number): string => DAY.format(atMs);
