/** Values of an incident's series since an action, from ml. */
import type { ml } from "#contracts/ml.ts";
import type { Client } from "#runtime/client/client.ts";
import type { DueActionsDeps } from "./due-actions.ts";
import type { SeriesSince } from "./effect-check.ts";
import { seriesKey } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";

const MAX_POINTS = 100;

export function createSeriesSince(
  client: Pick<Client<typeof ml>, "points">,
  store: Pick<IncidentStore, "crossingsOf">,
): DueActionsDeps["seriesSince"] {
  return async (incidentId, series, sinceMs) => {
    const wanted = new Set(series);
    const crossings = new Map(
      (await store.crossingsOf(incidentId)).map(({ crossing }) => [seriesKey(crossing), crossing]),
    );
    const found: SeriesSince[] = [];
    for (const [key, crossing] of crossings) {
      if (!wanted.has(key)) continue;
      const answer = await client.points.try(
        { source: crossing.source, series: crossing.series, fromMs: Math.round(sinceMs), limit: MAX_POINTS },
        { priority: "background" },
      );
      // Its source may have been removed since: then it tells as little as one that is silent.
      const values = answer.ok ? answer.value.points.map(([, value]) => value) : [];
      found.push({ series: key, crossing, values });
    }
    return found;
  };
}
