/** What a crossing that is reported does: it opens an incident, joins one, clears in one, or is kept from it. */
import type { Crossing } from "#contracts/ml.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { ActionStore } from "./action-store.ts";
import type { CoordinatorConfig } from "./config.ts";
import type { Decisions } from "./decisions.ts";
import { clearCrossing, type IncidentRecord, joinIncident, openIncident, placeCrossing } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { CoordinatorMetrics } from "./metrics.ts";
import type { OpenIncidents } from "./open-incidents.ts";
import type { OwnedWrite } from "./owned-write.ts";
import type { Silenced } from "./silenced.ts";
import * as story from "./story.ts";
import { isTolerated } from "./tolerance.ts";

export interface CrossingReport {
  readonly crossing: Crossing;
  readonly clearedAtMs: number | undefined;
}

export interface CrossingsDeps {
  readonly write: OwnedWrite;
  readonly store: IncidentStore;
  readonly open: OpenIncidents;
  readonly silenced: Silenced;
  readonly decisions: Pick<Decisions, "on">;
  readonly actionStore: Pick<ActionStore, "tolerance">;
  /** More has moved in an incident. */
  readonly moved: (incidentId: string) => void;
  /** What is silenced has changed. */
  readonly changed: () => void;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly metrics: CoordinatorMetrics;
  readonly config: () => CoordinatorConfig;
}

const MAX_CHANGES_SHOWN = 50;

export function createCrossings(deps: CrossingsDeps) {
  const { write, store, open, silenced, clock } = deps;

  const tolerated = async (crossing: Crossing) => isTolerated(crossing, await deps.actionStore.tolerance(crossing));

  /** The incident it belongs to. */
  async function take({ crossing, clearedAtMs }: CrossingReport, under: number): Promise<string | null> {
    const known = await store.crossing(crossing.id);
    if (known === undefined) {
      // It was tolerated, or is over before anybody heard of it: nobody is called for trouble that has ended.
      if (clearedAtMs !== undefined) return null;
      if (await tolerated(crossing)) return null;
      const kept = await silenced.take(crossing);
      if (kept === undefined) return (await place(crossing, under)).id;
      await write(under, [kept.statement]);
      kept.stored();
      deps.changed();
      return null;
    }
    if (clearedAtMs !== undefined && !known.isCleared) {
      const incident = known.incidentId === null ? undefined : open.get(known.incidentId);
      if (incident !== undefined) await clear(incident, crossing, clearedAtMs, under);
      else await write(under, [store.clearCrossing(crossing, clearedAtMs)]);
      silenced.forget(crossing.id);
    }
    return known.incidentId;
  }

  async function clear(incident: IncidentRecord, crossing: Crossing, clearedAtMs: number, under: number) {
    const nowMs = clock.now();
    await open.put(
      under,
      clearCrossing(incident, crossing.id, clearedAtMs, nowMs),
      [story.cleared(crossing, clearedAtMs, nowMs)],
      [store.clearCrossing(crossing, clearedAtMs)],
    );
  }

  async function place(crossing: Crossing, under: number): Promise<IncidentRecord> {
    const startedMs = clock.monotonic();
    const nowMs = clock.now();
    const limits = deps.config().incidents;
    const before = placeCrossing(crossing, open.all(), limits);
    const incident =
      before === undefined
        ? openIncident(deps.ids.next("inc"), crossing, nowMs, limits)
        : joinIncident(before, crossing, nowMs, limits);
    const changes =
      before === undefined
        ? await store.changesBetween(
            crossing.startedAtMs - limits.changeMs,
            crossing.startedAtMs + limits.correlationMs,
            MAX_CHANGES_SHOWN,
          )
        : [];
    const decided = await deps.decisions.on(incident, undefined, before === undefined);
    const after = { ...incident, decision: decided.decision };
    await open.put(
      under,
      after,
      [
        story.noticed(before === undefined ? "noticed" : "joined", crossing, nowMs),
        ...changes.map((change) => story.changed(change, nowMs)),
        ...decided.entries,
      ],
      [
        store.insertCrossing(crossing, incident.id),
        ...changes.map(({ id }) => store.linkChange(incident.id, id)),
        ...decided.statements,
      ],
    );
    deps.metrics.decided(clock.monotonic() - startedMs);
    decided.stored();
    deps.moved(incident.id);
    return after;
  }

  return {
    take,

    /** What began under a silence and goes on without one opens an incident after all. */
    async openUnsilenced(under: number): Promise<void> {
      for (const crossing of await silenced.over()) {
        if (!(await tolerated(crossing))) await place(crossing, under);
        silenced.forget(crossing.id);
      }
      deps.changed();
    },
  };
}
