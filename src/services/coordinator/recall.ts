/** What is remembered of incidents like one, as an entry of its story. */
import type { StoryEntry } from "#contracts/coordinator.ts";
import type { Clock } from "#core/clock.ts";
import type { IncidentRecord } from "./incident.ts";

/** Undefined when nothing is alike. */
export type Recall = (incident: IncidentRecord) => Promise<StoryEntry | undefined>;

export interface Alike {
  readonly id: string;
  readonly text: string;
}

/** @param find memories like a text, the nearest first */
export function createRecall(find: (text: string) => Promise<readonly Alike[]>, clock: Clock): Recall {
  return async (incident) => {
    const alike = (await find(`${incident.title} ${incident.series.join(" ")}`)).filter(({ id }) => id !== incident.id);
    if (alike.length === 0) return undefined;
    return {
      atMs: clock.now(),
      kind: "recalled",
      text: `Alike: ${alike.map(({ id }) => id).join(", ")}. The nearest: ${alike[0]?.text ?? ""}`,
      data: { incidents: alike.map(({ id }) => id) },
    };
  };
}
