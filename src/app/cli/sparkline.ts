/** A series in one line of text. */
import type { Charset } from "./dot-raster.ts";

const LEVELS = { braille: "▁▂▃▄▅▆▇█", ascii: "_.-~=+*#" } as const;

/**
 * Draws values as a row of at most `width` bars from the lowest to the highest. Where several share a place, the one farthest from the
 * median stands for them, so that a spike or a dip of one value stays visible. A value that is not finite is a gap; a constant series
 * runs through the middle; no values are an empty text.
 * @throws RangeError when `width` is not a positive integer.
 */
export function sparkline(values: readonly number[], width: number, charset: Charset = "braille"): string {
  if (!(Number.isInteger(width) && width > 0))
    throw new RangeError(`width is ${width}; it must be a positive whole number of characters.`);
  const finite = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (finite.length === 0) return " ".repeat(Math.min(width, values.length));
  const [low, median, high] = [finite[0]!, finite[finite.length >> 1]!, finite.at(-1)!];
  const levels = LEVELS[charset];
  // Halved, so that the widest range there is stays finite; the narrowest is then none.
  const halfSpan = high / 2 - low / 2;
  const places = Math.min(width, values.length);
  return Array.from({ length: places }, (_, place) => {
    const value = farthest(
      values.slice(Math.floor((place * values.length) / places), Math.floor(((place + 1) * values.length) / places)),
      median,
    );
    if (value === undefined) return " ";
    if (halfSpan === 0) return levels[3]!;
    return levels[Math.round(((value / 2 - low / 2) / halfSpan) * (levels.length - 1))]!;
  }).join("");
}

function farthest(values: readonly number[], from: number): number | undefined {
  let found: number | undefined;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (found === undefined || Math.abs(value / 2 - from / 2) > Math.abs(found / 2 - from / 2)) found = value;
  }
  return found;
}
