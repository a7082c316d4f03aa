/** How far a series may move without being an incident, as people have said. */
import type { Crossing } from "#contracts/ml.ts";
import type { Tolerance } from "./action-store.ts";
import { seriesKey } from "./incident.ts";

/** What a person called no incident may be this much larger and still be none. */
const MARGIN = 1.1;

/** @param change the widest that was called no incident; undefined when nothing was */
export function isTolerated({ value, expected }: Crossing, change: number | undefined): boolean {
  return change !== undefined && Math.abs(value - expected) <= MARGIN * change;
}

/** What follows from calling these no incident: the widest change of each series and direction. */
export function tolerancesOf(
  labelled: readonly { readonly crossing: Crossing; readonly incidentId: string }[],
): Tolerance[] {
  const found = new Map<string, Tolerance>();
  for (const { crossing, incidentId } of labelled) {
    const { direction } = crossing;
    const series = seriesKey(crossing);
    const change = Math.abs(crossing.value - crossing.expected);
    const known = found.get(`${direction} ${series}`);
    if (known === undefined || known.change < change)
      found.set(`${direction} ${series}`, { series, direction, change, incidentId });
  }
  return [...found.values()];
}
