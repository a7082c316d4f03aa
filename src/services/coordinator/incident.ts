/** An incident as triage keeps it, and how crossings change it. Pure. */
import type { Incident } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { CoordinatorConfig } from "./config.ts";
import { distanceOf, severityOf } from "./severity.ts";

export interface IncidentRecord extends Incident {
  /** Of its worst crossing, in spreads. */
  readonly distance: number;
  /** When one of its series last crossed or cleared, in the time of the data. */
  readonly lastEventMs: number;
  /** The latest report of any of its series, in our time. */
  readonly lastHeardMs: number;
  /** Its crossings that have not cleared. */
  readonly uncleared: ReadonlySet<string>;
}

export type IncidentLimits = CoordinatorConfig["incidents"];

export const seriesKey = (crossing: Pick<Crossing, "source" | "series">): string =>
  `${crossing.source}/${crossing.series}`;

/**
 * The open incident a crossing belongs to: one that has its series and is not over in the time of the data, else the
 * nearest within the correlation window. Time is that of the data, so that a replayed past does not become one incident.
 * None that a person called no incident: what is tolerated since does not come here, and about what does something may be done.
 */
export function placeCrossing(
  crossing: Crossing,
  open: Iterable<IncidentRecord>,
  limits: IncidentLimits,
): IncidentRecord | undefined {
  const key = seriesKey(crossing);
  let nearest: IncidentRecord | undefined;
  let nearestGapMs = Number.POSITIVE_INFINITY;
  for (const incident of open) {
    if (incident.label === "not-an-incident") continue;
    const gapMs = gapTo(incident, crossing.startedAtMs);
    const isSameSeries = incident.series.includes(key);
    if (gapMs > (isSameSeries ? Math.max(limits.quietMs, limits.correlationMs) : limits.correlationMs)) continue;
    if (isSameSeries) return incident;
    if (gapMs <= nearestGapMs) {
      nearest = incident;
      nearestGapMs = gapMs;
    }
  }
  return nearest;
}

function gapTo(incident: IncidentRecord, atMs: number): number {
  return Math.max(0, incident.openedAtMs - atMs, atMs - incident.lastEventMs);
}

export function openIncident(id: string, crossing: Crossing, nowMs: number, limits: IncidentLimits): IncidentRecord {
  const distance = distanceOf(crossing);
  const series = [seriesKey(crossing)];
  return {
    id,
    state: "open",
    title: titleOf(series, crossing),
    severity: severityOf(distance, series.length, limits),
    openedAtMs: crossing.startedAtMs,
    updatedAtMs: nowMs,
    resolvedAtMs: null,
    series,
    decision: null,
    cause: null,
    acknowledgedBy: null,
    label: null,
    distance,
    lastEventMs: crossing.startedAtMs,
    lastHeardMs: nowMs,
    uncleared: new Set([crossing.id]),
  };
}

export function joinIncident(
  incident: IncidentRecord,
  crossing: Crossing,
  nowMs: number,
  limits: IncidentLimits,
): IncidentRecord {
  const key = seriesKey(crossing);
  const isFirst = crossing.startedAtMs < incident.openedAtMs;
  const others = incident.series.filter((known) => known !== key);
  const series = isFirst ? [key, ...others] : incident.series.includes(key) ? incident.series : [...others, key];
  const distance = Math.max(incident.distance, distanceOf(crossing));
  return {
    ...incident,
    series,
    title: isFirst ? titleOf(series, crossing) : retitle(incident.title, series.length),
    severity: severityOf(distance, series.length, limits),
    distance,
    openedAtMs: Math.min(incident.openedAtMs, crossing.startedAtMs),
    updatedAtMs: nowMs,
    lastEventMs: Math.max(incident.lastEventMs, crossing.startedAtMs),
    lastHeardMs: nowMs,
    uncleared: new Set([...incident.uncleared, crossing.id]),
  };
}

export function clearCrossing(
  incident: IncidentRecord,
  crossingId: string,
  clearedAtMs: number,
  nowMs: number,
): IncidentRecord {
  const uncleared = new Set(incident.uncleared);
  uncleared.delete(crossingId);
  const lastEventMs = Math.max(incident.lastEventMs, clearedAtMs);
  return { ...incident, uncleared, lastEventMs, lastHeardMs: nowMs, updatedAtMs: nowMs };
}

/** When it is over unless something is heard before. */
export function quietAtMs(incident: IncidentRecord, limits: IncidentLimits): number {
  return incident.lastHeardMs + waitMs(incident, limits);
}

/** Whether a change was made shortly before an open incident or during it, in the time of the data. */
export function isNearby(incident: IncidentRecord, atMs: number, limits: IncidentLimits): boolean {
  return atMs >= incident.openedAtMs - limits.changeMs && atMs <= incident.lastEventMs + waitMs(incident, limits);
}

function waitMs(incident: IncidentRecord, limits: IncidentLimits): number {
  return incident.uncleared.size === 0 ? limits.quietMs : Math.max(limits.quietMs, limits.holdMs);
}

export function resolveIncident(incident: IncidentRecord, nowMs: number): IncidentRecord {
  return { ...incident, state: "resolved", resolvedAtMs: nowMs, updatedAtMs: nowMs };
}

/** What outsiders see of an incident. */
export function toIncident(record: IncidentRecord): Incident {
  const { distance: _distance, lastEventMs: _event, lastHeardMs: _heard, uncleared: _uncleared, ...incident } = record;
  return incident;
}

const MORE = / and \d+ more$/;

function titleOf(series: readonly string[], first: Crossing): string {
  return retitle(`${seriesKey(first)} moved ${first.direction}`, series.length);
}

function retitle(title: string, seriesCount: number): string {
  const bare = title.replace(MORE, "");
  return seriesCount > 1 ? `${bare} and ${seriesCount - 1} more` : bare;
}
