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
export const day = (atMs: number): string => DAY.format(atMs);

/** `latency of shop-stock`, `load`, `not known`. */
export function causeName(cause: { readonly service: string | null; readonly kind: string } | null): string {
  if (cause === null || cause.kind === "unknown") return "not known";
  return cause.service === null ? cause.kind : `${cause.kind} of ${cause.service}`;
}

export const skillName = ({ skill, target }: { readonly skill: string; readonly target: string }): string =>
  target === "" ? skill : `${skill} of ${target}`;
