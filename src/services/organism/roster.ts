/** The organs and agents of this replica: who is there, how capable, and what each is doing. */
import type { Agent } from "#contracts/state.ts";
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import { chooseAgent } from "./agent-choice.ts";
import type { StoredOrgan } from "./store.ts";

export interface OrganCounts {
  readonly id: string;
  readonly agents: number;
  readonly running: number;
  readonly succeeded: number;
  readonly failed: number;
}

export interface Roster {
  organs(): readonly StoredOrgan[];
  /** Gives an execution to an agent; undefined when the organ has none. */
  begin(organ: string, skill: string, taskId: string): Engagement | undefined;
  counts(): readonly OrganCounts[];
}

export interface Engagement {
  readonly agent: string;
  end(outcome: "succeeded" | "failed" | "cancelled"): void;
}

/** Capabilities are this old at most when the next execution asks for them; one that waits for nothing uses the old. */
const CAPABILITY_KEPT_MS = 10_000;
const UNKNOWN_CAPABILITY = 0.5;
/** Outcomes of a skill from which its own capability counts as much as the agent's overall one. */
const HALF_KNOWN = 5;

/** What an agent can do with one skill: the little that is known of it, leaning on what is known of the agent. */
export function capabilityFor(agent: Pick<Agent, "capability" | "skills"> | undefined, skill: string): number {
  const overall = agent?.capability ?? UNKNOWN_CAPABILITY;
  const own = agent?.skills.find((one) => one.skill === skill);
  if (own === undefined) return overall;
  const share = (own.succeeded + own.failed) / (own.succeeded + own.failed + HALF_KNOWN);
  return share * own.capability + (1 - share) * overall;
}

export function createRoster(
  organs: readonly StoredOrgan[],
  readCapabilities: () => Promise<readonly Pick<Agent, "id" | "capability" | "skills">[]>,
  clock: Clock,
): Roster {
  const running = new Map<string, number>();
  const totals = new Map(organs.map(({ id }) => [id, { running: 0, succeeded: 0, failed: 0 }]));
  let known: ReadonlyMap<string, Pick<Agent, "capability" | "skills">> = new Map();
  let staleAtMs = clock.monotonic();

  function refresh(): void {
    if (clock.monotonic() < staleAtMs) return;
    staleAtMs = clock.monotonic() + CAPABILITY_KEPT_MS;
    runDetached(readCapabilities).then(
      (agents) => {
        known = new Map(agents.map((agent) => [agent.id, agent]));
      },
      () => {
        // Choosing by what was known before is better than not executing; the next execution asks again.
      },
    );
  }

  return {
    organs: () => organs,
    begin(organId, skill, taskId) {
      refresh();
      const organ = organs.find(({ id }) => id === organId);
      const total = totals.get(organId);
      const chosen = chooseAgent(
        (organ?.agents ?? []).map((id) => ({
          id,
          capability: capabilityFor(known.get(id), skill),
          running: running.get(id) ?? 0,
        })),
        taskId,
      );
      if (chosen === undefined || total === undefined) return undefined;
      running.set(chosen.id, chosen.running + 1);
      total.running++;
      return {
        agent: chosen.id,
        end(outcome) {
          running.set(chosen.id, (running.get(chosen.id) ?? 1) - 1);
          total.running--;
          if (outcome !== "cancelled") total[outcome]++;
        },
      };
    },
    counts: () =>
      organs.map(({ id, agents }) => ({
        id,
        agents: agents.length,
        ...(totals.get(id) ?? { running: 0, succeeded: 0, failed: 0 }),
      })),
  };
}
