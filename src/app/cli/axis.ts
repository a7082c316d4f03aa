/** Where an axis has its labels, and what they say. */

export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** From `size` on numbers are counted in `divisor`. */
const UNITS = [
  { size: 1e12, divisor: 1e12, suffix: "T" },
  { size: 1e9, divisor: 1e9, suffix: "G" },
  { size: 1e6, divisor: 1e6, suffix: "M" },
  { size: 1e4, divisor: 1e3, suffix: "k" },
  { size: 0, divisor: 1, suffix: "" },
] as const;

/**
 * Round values (1, 2 or 5 times a power of ten) from `low` to `high`, about `wanted` of them and at least two; one when both are the same.
 */
export function valueTicks(low: number, high: number, wanted: number): Tick[] {
  if (!(high > low)) return [{ value: low, label: shortNumber(low) }];
  const largest = Math.max(Math.abs(low), Math.abs(high));
  for (let count = Math.max(2, wanted); count < 16 * wanted + 16; count *= 2) {
    const step = roundStep(high / count - low / count);
    // Too narrow a band far from zero, as [1e15, 1e15 + 1]: the steps are lost in the digits.
    if (largest / step > 1e9) break;
    const first = Math.ceil(low / step);
    const ticks = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
    if (ticks.length < 2) continue;
    const toLabel = labelsFor(step, largest);
    return ticks.map((value) => ({ value, label: toLabel(value) }));
  }
  return [low, high].map((value) => ({ value, label: shortNumber(value) }));
}

function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const digit = step / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

function labelsFor(step: number, largest: number): (value: number) => string {
  if (largest >= 1e15 || step < 1e-4) return (value) => (Math.abs(value) < step / 2 ? "0" : shortNumber(value));
  const { size, divisor, suffix } = UNITS.find((unit) => largest >= unit.size)!;
  const decimals = Math.max(0, -Math.floor(Math.log10(step / divisor) + 1e-9));
  return (value) => {
    if (size > 0 && Math.abs(value) < step / 2) return "0";
    // Plus zero turns a rounded -0 into 0.
    return `${(Math.round(value / step) * (step / divisor) + 0).toFixed(decimals)}${suffix}`;
  };
}

/** A number by itself, in ten characters at most; rounded where it has more than eight. */
export function shortNumber(value: number): string {
  const plain = String(value);
  if (plain.length <= 8) return plain;
  const size = Math.abs(value);
  const rounded = Number(value.toPrecision(4));
  return size >= 1e6 || size < 1e-3 ? rounded.toExponential().replace("e+", "e") : String(rounded);
}

/** A time as UTC, as exact as a span of `spanMs` asks for. */
export function timeLabel(timestampMs: number, spanMs: number): string {
  const date = new Date(timestampMs);
  if (Number.isNaN(date.getTime())) return String(timestampMs);
  const iso = date.toISOString();
  // Years beyond 9999 have a sign and six digits.
  const day = iso.slice(0, iso.indexOf("T"));
  const time = iso.slice(day.length + 1, -1);
  if (spanMs >= 60 * 86_400_000) return day;
  if (spanMs >= 600_000) return `${day} ${time.slice(0, 5)}`;
  return `${day} ${spanMs >= 10_000 ? time.slice(0, 8) : time}`;
}
