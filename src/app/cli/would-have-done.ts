/** What would have been done, summed up, for who wonders whether to let it be done. */
import type { Action } from "#contracts/action.ts";
import type { Incident } from "#contracts/incident.ts";

export interface WouldHaveDone {
  readonly rule: string;
  readonly skill: string;
  readonly target: string;
  readonly times: number;
  /** Of those, incidents that ended without an action on them that has a target: it was not needed, perhaps. */
  readonly endedByThemselves: number;
  readonly stillOpen: number;
  readonly lastAtMs: number;
  /** The newest incidents, three at most. */
  readonly incidents: readonly string[];
}

const EXAMPLES = 3;
const DONE: ReadonlySet<Action["state"]> = new Set([
  "acting",
  "checking",
  "helped",
  "useless",
  "undoing",
  "undone",
  "unknown",
]);

/**
 * By rule, skill and target, the most frequent first.
 * @param actions newest first, whatever their state: what was done about an incident tells that it did not end by itself
 */
export function toWouldHaveDone(
  actions: readonly Action[],
  incidents: ReadonlyMap<string, Pick<Incident, "state">>,
): WouldHaveDone[] {
  const treated = new Set(
    actions.filter(({ state, target }) => target !== "" && DONE.has(state)).map(({ incidentId }) => incidentId),
  );
  const groups = Map.groupBy(
    actions.filter(({ wouldBegin }) => wouldBegin),
    ({ rule, skill, target }) => JSON.stringify([rule, skill, target]),
  );
  const isIn = (id: string, state: Incident["state"]) => incidents.get(id)?.state === state;
  return [...groups.values()]
    .flatMap((group) => {
      const [newest] = group;
      if (newest === undefined) return [];
      const { rule, skill, target, createdAtMs } = newest;
      const ids = [...new Set(group.map(({ incidentId }) => incidentId))];
      return {
        rule,
        skill,
        target,
        times: group.length,
        endedByThemselves: ids.filter((id) => isIn(id, "resolved") && !treated.has(id)).length,
        stillOpen: ids.filter((id) => isIn(id, "open")).length,
        lastAtMs: createdAtMs,
        incidents: ids.slice(0, EXAMPLES),
      };
    })
    .sort((a, b) => b.times - a.times || b.lastAtMs - a.lastAtMs);
}
