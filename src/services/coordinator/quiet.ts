/** The end of incidents: one that has been quiet for long enough is over. */
import type { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { Actions } from "./actions.ts";
import type { CoordinatorConfig } from "./config.ts";
import { type IncidentRecord, quietAtMs, resolveIncident } from "./incident.ts";
import type { OpenIncidents } from "./open-incidents.ts";
import * as story from "./story.ts";

export interface QuietDeps {
  readonly open: OpenIncidents;
  readonly actions: Pick<Actions, "ending">;
  readonly remember: (incidentId: string) => CompiledQuery;
  readonly outbox: Pick<Outbox, "kick">;
  readonly clock: Clock;
  readonly config: () => CoordinatorConfig;
}

export function createQuiet({ open, actions, remember, outbox, clock, config }: QuietDeps) {
  /** By the wall clock as it is now. */
  const dueMs = (incident: IncidentRecord): number =>
    clock.now() + quietAtMs(incident, config().incidents) - open.steadyNow(incident.id);

  return {
    /** When the first is over unless something is heard of it before. */
    nextMs: (): number => Math.min(...open.all().map(dueMs)),

    async resolve(under: number): Promise<void> {
      const nowMs = clock.now();
      for (const incident of open.all().filter((one) => dueMs(one) <= nowMs)) {
        const ending = actions.ending(incident.id);
        const entry = story.resolved(incident.series.length, nowMs);
        const also = [remember(incident.id), ...ending.statements];
        await open.put(under, resolveIncident(incident, nowMs), [entry], also);
        ending.stored();
        outbox.kick();
      }
    },
  };
}
