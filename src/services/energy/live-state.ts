/** The state of this organism as energy sees it: who can do what, what is not routine, what is being done. */
import type { Action } from "#contracts/action.ts";
import type { coordinator } from "#contracts/coordinator.ts";
import type { Severity } from "#contracts/incident.ts";
import type { UnifiedState } from "#contracts/energy.ts";
import type { state } from "#contracts/state.ts";
import type { Client } from "#runtime/client/client.ts";

/** What an open incident adds to the energy. */
export const SEVERITY_WEIGHT: Readonly<Record<Severity, number>> = { low: 1, medium: 2, high: 4 };

/** Incidents, and actions: the newest. */
const MOST = 1_000;
/** What became of a repair, or is being found out: the newest tells whether its incident burns. */
const TRIED: ReadonlySet<Action["state"]> = new Set([
  "helped",
  "useless",
  "undoing",
  "undone",
  "failed",
  "unknown",
  "checking",
]);
const BACKGROUND = { priority: "background" } as const;

export interface LiveState {
  readonly state: UnifiedState;
  readonly agents: number;
  readonly openIncidents: number;
}

export function createLiveState(clients: {
  readonly coordinator: Pick<Client<typeof coordinator>, "listIncidents" | "listActions" | "status">;
  readonly state: Pick<Client<typeof state>, "agents">;
}): (incidentId?: string | null, isToBeRepaired?: boolean) => Promise<LiveState> {
  return async (incidentId = null, isToBeRepaired = false) => {
    const [{ agents }, { incidents }, { actions }, { tasks }] = await Promise.all([
      clients.state.agents({}, BACKGROUND),
      clients.coordinator.listIncidents({ state: "open", limit: MOST }, BACKGROUND),
      clients.coordinator.listActions({ limit: MOST }, BACKGROUND),
      clients.coordinator.status({}, BACKGROUND),
    ]);
    // An incident stays open for a while after its series are routine again: what helped has taken it out of the energy.
    const last = new Map<string, Action>();
    for (const action of actions) {
      if (!TRIED.has(action.state) || action.checkedSeries.length === 0) continue;
      const known = last.get(action.incidentId);
      if (known === undefined || endOf(action) > endOf(known)) last.set(action.incidentId, action);
    }
    const isRepaired = (id: string) => last.get(id)?.state === "helped" && !(isToBeRepaired && id === incidentId);
    const unrest = incidents.filter(({ id }) => !isRepaired(id) && (incidentId === null || id === incidentId));
    const skills = [...new Set(agents.flatMap((agent) => agent.skills.map(({ skill }) => skill)))].sort();
    // Work that waits, on a scale on which ten tasks are as much as one of them was alone.
    const waiting = Math.log2(1 + (tasks["queued"] ?? 0));
    return {
      agents: agents.length,
      openIncidents: incidents.length,
      state: {
        h: agents.map((agent) =>
          skills.map((skill) => agent.skills.find((one) => one.skill === skill)?.capability ?? 0),
        ),
        p: agents.map(({ roles: { E, S, O } }) => [E, S, O]),
        s: [waiting],
        anomalies: unrest.map(({ severity }) => SEVERITY_WEIGHT[severity]),
        cost: actions.filter(({ state: its }) => its === "acting").length,
      },
    };
  };
}

const endOf = ({ endedAtMs }: Action): number => endedAtMs ?? Number.POSITIVE_INFINITY;
