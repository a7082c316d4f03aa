/** Values of an incident's series since an action, from ml. */
import type { ml } from "#contracts/ml.ts";
import type { Client } from "#runtime/client/client.ts";
import type { DueActionsDeps } from "./due-actions.ts";
import { median, type SeriesSince } from "./effect-check.ts";
import { seriesKey } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";

const MAX_POINTS = 100;
/** How much tells what was routine, and how far it had gone. */
const ROUTINE_MS = 120_000;
const TROUBLE_MS = 30_000;
/** Of normally distributed values the standard deviation is so many times the median deviation. */
const DEVIATIONS = 1.4826;

export function createSeriesSince(
  client: Pick<Client<typeof ml>, "points">,
  store: Pick<IncidentStore, "crossingsOf" | "get">,
): DueActionsDeps["seriesSince"] {
  /** Its source may have been removed since: then it tells as little as one that is silent. */
  async function valuesOf(key: string, range: { readonly fromMs: number; readonly toMs?: number }): Promise<number[]> {
    const slash = key.indexOf("/");
    const answer = await client.points.try(
      { source: key.slice(0, slash), series: key.slice(slash + 1), ...range, limit: MAX_POINTS },
      { priority: "background" },
    );
    return answer.ok ? answer.value.points.map(([, value]) => value) : [];
  }

  /** What a crossing would say of a series that has none: trouble is acted on before it has shown for long enough. */
  async function asIfCrossed(
    key: string,
    openedMs: number,
    sinceMs: number,
  ): Promise<SeriesSince["crossing"] | undefined> {
    const [before, during] = await Promise.all([
      valuesOf(key, { fromMs: openedMs - ROUTINE_MS, toMs: openedMs - 1 }),
      valuesOf(key, { fromMs: sinceMs - TROUBLE_MS, toMs: sinceMs - 1 }),
    ]);
    if (before.length === 0) return undefined;
    const expected = median(before);
    const spread = DEVIATIONS * median(before.map((value) => Math.abs(value - expected)));
    // Not the highest, which may be one slow call.
    const high = during.sort((a, b) => a - b)[Math.floor(during.length * 0.9)] ?? expected;
    return { value: Math.max(high, expected), expected, spread, direction: "up" };
  }

  return async (incidentId, series, sinceMs) => {
    const crossings = new Map(
      (await store.crossingsOf(incidentId)).map(({ crossing }) => [seriesKey(crossing), crossing]),
    );
    const openedMs = Math.round((await store.get(incidentId))?.openedAtMs ?? sinceMs);
    const fromMs = Math.round(sinceMs);
    return Promise.all(
      series.map(async (key): Promise<SeriesSince> => {
        const crossing = crossings.get(key) ?? (await asIfCrossed(key, openedMs, fromMs));
        if (crossing === undefined) return { series: key, crossing: NOT_KNOWN, values: [] };
        return { series: key, crossing, values: await valuesOf(key, { fromMs }) };
      }),
    );
  };
}

const NOT_KNOWN: SeriesSince["crossing"] = { value: 0, expected: 0, spread: 0, direction: "up" };
