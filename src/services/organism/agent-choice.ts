/** Which agent of an organ gets an execution. */

export interface Candidate {
  readonly id: string;
  /** 0 to 1. */
  readonly capability: number;
  /** Executions it has at the moment. */
  readonly running: number;
}

/**
 * The most capable for its load: capability shared among what it runs already and this one. Equals are told apart by a
 * hash of the task and their names, so that the same question has the same answer on every replica.
 */
export function chooseAgent(candidates: readonly Candidate[], taskId: string): Candidate | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (best === undefined || isBetter(candidate, best, taskId)) best = candidate;
  }
  return best;
}

function isBetter(a: Candidate, b: Candidate, taskId: string): boolean {
  const byMerit = a.capability / (a.running + 1) - b.capability / (b.running + 1);
  if (byMerit !== 0) return byMerit > 0;
  return hash(`${taskId}/${a.id}`) > hash(`${taskId}/${b.id}`);
}

/** FNV-1a with a final avalanche. */
function hash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
