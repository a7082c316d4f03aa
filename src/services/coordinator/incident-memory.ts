/** What is remembered of an incident: a case that later ones can be compared with. */
import type { Incident, StoryEntry } from "#contracts/incident.ts";
import type { state } from "#contracts/state.ts";
import type { CompiledQuery } from "kysely";
import type { InputOf } from "#core/contract.ts";
import type { Ids } from "#core/ids.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";

export type Remembered = InputOf<(typeof state)["procedures"]["remember"]>;

/** Topic under which the case of an incident goes to the memory; the body names the incident. */
export const REMEMBER_TOPIC = "state.remember";

const MAX_TEXT = 20_000;

/** What has an incident remembered as it is once that is stored. */
export function createRemember(outbox: Pick<Outbox, "put">, ids: Ids): (incidentId: string) => CompiledQuery {
  return (incidentId) => outbox.put({ id: ids.next("msg"), topic: REMEMBER_TOPIC, body: { incidentId } });
}

export function toMemory(incident: Incident, story: readonly StoryEntry[]): Remembered {
  const lines = [
    `${incident.severity} incident: ${incident.title}.`,
    `Series: ${incident.series.join(", ")}.`,
    ...story.filter(({ kind }) => kind !== "recalled").map(({ text }) => text),
  ];
  return {
    id: incident.id,
    kind: "incident",
    text: lines.join("\n").slice(0, MAX_TEXT),
    data: {
      incidentId: incident.id,
      severity: incident.severity,
      state: incident.state,
      series: incident.series,
      openedAtMs: incident.openedAtMs,
      resolvedAtMs: incident.resolvedAtMs,
      decision: incident.decision,
      outcome: story.findLast(({ kind }) => kind === "outcome")?.text ?? null,
    },
  };
}
