/** What people say of an incident: whether it was one, and who is at it. Each is told in its story, once. */
import type { CompiledQuery } from "kysely";
import type { Incident } from "#contracts/incident.ts";
import type { Clock } from "#core/clock.ts";
import type { ActionStore } from "./action-store.ts";
import { toIncident } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { OpenIncidents } from "./open-incidents.ts";
import * as story from "./story.ts";
import { tolerancesOf } from "./tolerance.ts";

export interface RemarksDeps {
  readonly store: IncidentStore;
  readonly open: OpenIncidents;
  readonly actionStore: Pick<ActionStore, "replaceTolerances">;
  readonly remember: (incidentId: string) => CompiledQuery;
  readonly clock: Clock;
}

type Label = NonNullable<Incident["label"]>;

/** Both are undefined for an unknown incident. */
export function createRemarks({ store, open, actionStore, remember, clock }: RemarksDeps) {
  async function label(id: string, label: Label, by: string, under: number): Promise<Incident | undefined> {
    const known = await open.find(id);
    if (known === undefined) return undefined;
    if (known.label === label) return toIncident(known);
    const nowMs = clock.now();
    // Anew from all that were called none: others may have taught the same series.
    const [own, labelled] = await Promise.all([store.crossingsOf(id), store.crossingsLabelled("not-an-incident")]);
    const harmless = [
      ...labelled.filter(({ incidentId }) => incidentId !== id),
      ...(label === "not-an-incident" ? own.map(({ crossing }) => ({ crossing, incidentId: id })) : []),
    ];
    const incident = { ...known, label, updatedAtMs: nowMs };
    const tolerances = actionStore.replaceTolerances(tolerancesOf(harmless));
    await open.put(under, incident, [story.labelled(label, by, nowMs)], [...tolerances, remember(id)]);
    return toIncident(incident);
  }

  /** The first who says so is told of. */
  async function acknowledge(id: string, by: string, under: number): Promise<Incident | undefined> {
    const known = await open.find(id);
    if (known === undefined || known.acknowledgedBy !== null) return known && toIncident(known);
    const nowMs = clock.now();
    const incident = { ...known, acknowledgedBy: by, updatedAtMs: nowMs };
    await open.put(under, incident, [story.acknowledged(by, nowMs)]);
    return toIncident(incident);
  }

  return { label, acknowledge };
}
