/** What is remembered of an incident: a case that later ones can be compared with. */
import type { Incident, StoryEntry } from "#contracts/coordinator.ts";
import type { state } from "#contracts/state.ts";
import type { InputOf } from "#core/contract.ts";

export type Remembered = InputOf<(typeof state)["procedures"]["remember"]>;

const MAX_TEXT = 20_000;

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
