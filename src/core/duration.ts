const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a written duration such as `250ms`, `1.5s`, `5m`, `2h`, `7d`; a bare number is milliseconds.
 * @throws RangeError for anything else.
 */
export function toMilliseconds(text: string | number): number {
  if (typeof text === "number") {
    if (Number.isFinite(text) && text >= 0) return text;
  } else {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
    if (match) return Number(match[1]) * (UNITS_MS[match[2] ?? "ms"] ?? 1);
  }
  throw new RangeError(`"${text}" is not a duration. Write a number and a unit, such as 500ms, 30s, 5m, 2h or 7d.`);
}

/** `12 s`, `3 min`, `5.2 h`, `8 days`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 90) return `${seconds < 10 ? oneDigit(seconds) : Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${oneDigit(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

const oneDigit = (value: number): number => Math.round(10 * value) / 10;
