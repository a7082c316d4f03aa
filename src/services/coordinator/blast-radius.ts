/** How much may be done at once: a limit per target and hour, and never two actions along one chain of calls. */
import type { CallGraph } from "#contracts/cognitive.ts";
import { isUnderWay, type ActionRecord } from "./action.ts";

export interface BlastLimits {
  readonly perTargetPerHour: number;
}

const HOUR_MS = 3_600_000;

/**
 * Why an action on `target` must wait, or undefined when it may be done. Actions without a risk never wait.
 * @param recent actions of the last hour and all that are under way, of every incident
 */
export function heldBack(
  action: Pick<ActionRecord, "id" | "target" | "risk">,
  recent: readonly ActionRecord[],
  graph: CallGraph | null,
  limits: BlastLimits,
  nowMs: number,
): string | undefined {
  if (action.risk === "none") return undefined;
  const others = recent.filter(({ id, risk }) => id !== action.id && risk !== "none");
  const chain = chainOf(action.target, graph);
  const busy = others.find((other) => isUnderWay(other) && chain.has(other.target));
  if (busy !== undefined) {
    const where = busy.target === action.target ? "it" : `${busy.target}, which is on one chain of calls with it,`;
    return `${busy.skill} of ${where} is under way (${busy.id}).`;
  }
  const done = others.filter(
    ({ target, actedAtMs }) => target === action.target && actedAtMs !== null && nowMs - actedAtMs < HOUR_MS,
  );
  if (done.length >= limits.perTargetPerHour) {
    return `${done.length} actions on ${action.target} in the last hour are as many as are allowed.`;
  }
  return undefined;
}

/** The target itself and every host that calls it or is called by it, directly or through others. */
function chainOf(target: string, graph: CallGraph | null): ReadonlySet<string> {
  const hostOf = new Map((graph?.services ?? []).map(({ service, host }) => [service, host]));
  const edges = (graph?.edges ?? []).map(({ from, to }) => [hostOf.get(from) ?? from, hostOf.get(to) ?? to] as const);
  const reach = (step: (host: string) => readonly string[]) => {
    const seen = new Set([target]);
    for (const host of seen) for (const next of step(host)) seen.add(next);
    return seen;
  };
  const callees = reach((host) => edges.flatMap(([from, to]) => (from === host ? [to] : [])));
  const callers = reach((host) => edges.flatMap(([from, to]) => (to === host ? [from] : [])));
  return new Set([...callees, ...callers]);
}
