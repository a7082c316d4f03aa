/** Points of a chart, oldest first. */
export type Points = readonly (readonly [atMs: number, value: number])[];

/** A chart's, and of one answer that it asks for. */
export const MOST_POINTS = 2_000;

/** With all points of a stretch of time, of which some may be known. */
export function withStretch(known: Points, stretch: Points): Points {
  const [first] = stretch;
  const last = stretch.at(-1);
  if (first === undefined || last === undefined) return known;
  const before = known.filter(([atMs]) => atMs < first[0]);
  const after = known.filter(([atMs]) => atMs > last[0]);
  return [...before, ...stretch, ...after].slice(-MOST_POINTS);
}

/** With what a stream told; what is not newer is known. */
export function withNewer(known: Points, told: Points): Points {
  const lastMs = known.at(-1)?.[0] ?? -1;
  const newer = told.filter(([atMs]) => atMs > lastMs);
  return newer.length === 0 ? known : [...known, ...newer].slice(-MOST_POINTS);
}
