/** Which agent of an organ gets an execution, and in which of its roles. */
import type { Roles } from "#contracts/state.ts";

export type Role = keyof Roles;

export interface Candidate {
  readonly id: string;
  /** 0 to 1. */
  readonly capability: number;
  /** Executions it has at the moment. */
  readonly running: number;
  readonly roles: Roles;
}

export interface Choice {
  readonly agent: Candidate;
  readonly role: Role;
}

/**
 * For each task an agent is in one of its roles, as often as its shares say. A specialist offers its capability. An explorer
 * offers as much as if it could everything: whoever failed at first is tried again. An observer offers its capability for
 * what has no risk, and nothing else as long as another does. The highest offer gets it, shared among what the agent runs
 * already and this one.
 *
 * Chance is a hash of the task and their names, so that the same question has the same answer on every replica.
 */
export function chooseAgent(
  candidates: readonly Candidate[],
  task: { readonly id: string; readonly isRisky: boolean },
): Choice | undefined {
  const all = candidates.map((agent) => ({ agent, role: roleOf(agent, task.id) }));
  const willing = task.isRisky ? all.filter(({ role }) => role !== "O") : all;
  let best: Choice | undefined;
  for (const choice of willing.length > 0 ? willing : all) {
    if (best === undefined || isBetter(choice, best, task.id)) best = choice;
  }
  return best;
}

function roleOf({ id, roles }: Candidate, taskId: string): Role {
  const drawn = hash(`${taskId}/${id}/role`) / 2 ** 32;
  if (drawn < roles.E) return "E";
  return drawn < roles.E + roles.S ? "S" : "O";
}

function isBetter(a: Choice, b: Choice, taskId: string): boolean {
  const byOffer = offerOf(a) - offerOf(b);
  if (byOffer !== 0) return byOffer > 0;
  return hash(`${taskId}/${a.agent.id}`) > hash(`${taskId}/${b.agent.id}`);
}

function offerOf({ agent: { capability, running }, role }: Choice): number {
  return (role === "E" ? 1 : capability) / (running + 1);
}

/** FNV-1a with a final avalanche. */
function hash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
