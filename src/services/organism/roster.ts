/** The organs and agents of this replica: who is there, how capable, and what each is doing. */
import type { Agent } from "#contracts/state.ts";
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import { chooseAgent, type Role } from "./agent-choice.ts";
import { ROLE_PRIORS } from "./organs.ts";
import type { Skill } from "./skill.ts";
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
  begin(organ: string, skill: Pick<Skill, "name" | "risk">, taskId: string): Engagement | undefined;
  counts(): readonly OrganCounts[];
}

export interface RosterDeps {
  /** With the agents that each organ has at least. */
  readonly organs: readonly StoredOrgan[];
  /** Agents that an organ has at most. */
  readonly most: number;
  readonly readAgents: () => Promise<readonly Known[]>;
  /** An organ has taken on an agent. */
  readonly hired: (agent: string, organ: string) => void;
  readonly clock: Clock;
}

type Known = Pick<Agent, "id" | "capability" | "skills" | "roles">;

export interface Engagement {
  readonly agent: string;
  readonly role: Role;
  /** Its capability: how often it is expected to succeed. */
  readonly expected: number;
  end(outcome: Outcome): void;
}

/** `cancelled` and `unknown`, when nobody could see the effect, say nothing of the agent. */
export type Outcome = "succeeded" | "failed" | "cancelled" | "unknown";

/** What is known of agents is this old at most when the next execution asks; one that waits for nothing uses the old. */
const KNOWN_FOR_MS = 10_000;
const UNKNOWN_CAPABILITY = 0.5;
/** Outcomes of a skill from which its own capability counts as much as the agent's overall one. */
const HALF_KNOWN = 5;

/** An organ takes on another agent when each has as many executions. */
const MOST_RUNNING = 4;
/** One more than it needs, and without an execution for so long, leaves. */
const IDLE_MS = 10 * 60_000;

/** What an agent can do with one skill: the little that is known of it, leaning on what is known of the agent. */
export function capabilityFor(agent: Pick<Agent, "capability" | "skills"> | undefined, skill: string): number {
  const overall = agent?.capability ?? UNKNOWN_CAPABILITY;
  const own = agent?.skills.find((one) => one.skill === skill);
  if (own === undefined) return overall;
  const share = (own.succeeded + own.failed) / (own.succeeded + own.failed + HALF_KNOWN);
  return share * own.capability + (1 - share) * overall;
}

/** Organs scale with their work: what is stored of them is the least they have. */
export function createRoster({ organs: least, most, readAgents, hired, clock }: RosterDeps): Roster {
  let organs = least;
  const running = new Map<string, number>();
  /** When an agent that was taken on had its last execution. */
  const idleSinceMs = new Map<string, number>();
  const totals = new Map(least.map(({ id }) => [id, { running: 0, succeeded: 0, failed: 0 }]));
  let known: ReadonlyMap<string, Known> = new Map();
  let staleAtMs = clock.monotonic();

  function refresh(): void {
    if (clock.monotonic() < staleAtMs) return;
    staleAtMs = clock.monotonic() + KNOWN_FOR_MS;
    runDetached(readAgents).then(
      (agents) => {
        known = new Map(agents.map((agent) => [agent.id, agent]));
      },
      () => {
        // Choosing by what was known before is better than not executing; the next execution asks again.
      },
    );
  }

  /** The organ with an agent that has time, if it may have so many. */
  function scaled(organ: StoredOrgan): StoredOrgan {
    const nowMs = clock.monotonic();
    const isGone = (id: string) => nowMs - (idleSinceMs.get(id) ?? nowMs) > IDLE_MS && (running.get(id) ?? 0) === 0;
    const agents = organ.agents.filter((id) => !isGone(id));
    for (const id of organ.agents) if (!agents.includes(id)) idleSinceMs.delete(id);
    const isBusy = agents.every((id) => (running.get(id) ?? 0) >= MOST_RUNNING);
    if (isBusy && agents.length > 0 && agents.length < most) {
      const numbers = Array.from({ length: most }, (_, i) => `${organ.id}_agent_${i}`);
      const agent = numbers.find((id) => !agents.includes(id));
      if (agent !== undefined) {
        agents.push(agent);
        idleSinceMs.set(agent, nowMs);
        hired(agent, organ.id);
      }
    }
    if (agents.length === organ.agents.length && agents.every((id, i) => id === organ.agents[i])) return organ;
    const next = { ...organ, agents };
    organs = organs.map((one) => (one.id === organ.id ? next : one));
    return next;
  }

  return {
    organs: () => organs,
    begin(organId, skill, taskId) {
      refresh();
      const found = organs.find(({ id }) => id === organId);
      const organ = found && scaled(found);
      const total = totals.get(organId);
      if (organ === undefined || total === undefined) return undefined;
      const chosen = chooseAgent(
        organ.agents.map((id) => ({
          id,
          capability: capabilityFor(known.get(id), skill.name),
          running: running.get(id) ?? 0,
          roles: known.get(id)?.roles ?? ROLE_PRIORS[organ.kind],
        })),
        { id: taskId, isRisky: skill.risk !== "none" },
      );
      if (chosen === undefined) return undefined;
      const { id, capability } = chosen.agent;
      running.set(id, chosen.agent.running + 1);
      total.running++;
      return {
        agent: id,
        role: chosen.role,
        expected: capability,
        end(outcome) {
          running.set(id, (running.get(id) ?? 1) - 1);
          if (idleSinceMs.has(id)) idleSinceMs.set(id, clock.monotonic());
          total.running--;
          if (outcome === "succeeded" || outcome === "failed") total[outcome]++;
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
