/** How much may be done at once: a limit per target and hour, and never two actions along one chain of calls. */
import type { CallGraph } from "#contracts/cognitive.ts";
import { howToSettle } from "#contracts/action-text.ts";
import { isUnderWay, type ActionRecord } from "./action.ts";

export interface BlastLimits {
  readonly perTargetPerHour: number;
}

const HOUR_MS = 3_600_000;
/** For as long calls must have been watched before one that was not seen is believed to be none. */
const LEAST_WATCHED_MS = 5 * 60_000;

/**
 * Why an action on `target` must wait, or undefined when it may be done. Actions without a risk never wait. One without a
 * target lies on no chain: it waits for those of its own rule alone, and nothing else waits for it.
 * @param recent actions of the last hour and all that have not ended, of every incident
 * @param graph null while nobody can tell who calls whom: then, and while calls have hardly been watched, everything with a
 *   target may be on one chain
 * @param nowOf wall time as it would be had nobody set it since that action was begun
 */
export function heldBack(
  action: Pick<ActionRecord, "id" | "rule" | "target" | "risk">,
  recent: readonly ActionRecord[],
  graph: CallGraph | null,
  limits: BlastLimits,
  nowOf: (actionId: string) => number,
): string | undefined {
  if (action.risk === "none") return undefined;
  const others = recent.filter((other) => other.id !== action.id && other.risk !== "none" && mayMeet(action, other));
  const ofIt = action.target === "" ? "" : " of it";
  const hostOf = hostsOf(graph);
  const host = hostOf(action.target);
  const chain = graph === null || isYoung(graph) || action.target === "" ? undefined : chainOf(host, graph);
  const busy = others.find((other) => isUnderWay(other) && (chain === undefined || chain.has(hostOf(other.target))));
  if (busy !== undefined) {
    const why = chain === undefined ? "while who calls whom is not known," : "which is on one chain of calls with it,";
    const where = busy.target === action.target ? ofIt : ` of ${busy.target}, ${why}`;
    return `${busy.skill}${where} is under way (${busy.id}).`;
  }
  const same = others.filter(({ target }) => hostOf(target) === host);
  const lost = same.find(({ state, isLost }) => state === "unknown" && isLost === true);
  if (lost !== undefined) {
    const what = lost.undoTaskId === null ? "done" : "taken back";
    return `Whether ${lost.skill}${ofIt} was ${what} is not known (${lost.id}). ${howToSettle(lost.id)}`;
  }
  const begun = same.filter(({ id, begunAtMs }) => typeof begunAtMs === "number" && nowOf(id) - begunAtMs < HOUR_MS);
  if (begun.length >= limits.perTargetPerHour) {
    const where = action.target === "" ? `by rule "${action.rule}"` : `on ${action.target}`;
    return `${begun.length} actions ${where} in the last hour are as many as are allowed.`;
  }
  return undefined;
}

type Placed = Pick<ActionRecord, "rule" | "target">;

/** Without a target nothing but the rule tells what is the same. */
function mayMeet(one: Placed, other: Placed): boolean {
  if (one.target !== "" && other.target !== "") return true;
  return one.target === other.target && one.rule === other.rule;
}

const isYoung = ({ watchedFromMs, nowMs }: CallGraph): boolean =>
  nowMs[1] - (watchedFromMs ?? Infinity) < LEAST_WATCHED_MS;

const hostByService = ({ services }: CallGraph) => new Map(services.map(({ service, host }) => [service, host]));

/** The host that a target is or, where it is a service, that serves it; the target as it is where neither is known. */
function hostsOf(graph: CallGraph | null): (target: string) => string {
  if (graph === null) return (target) => target;
  const byService = hostByService(graph);
  const hosts = new Set(byService.values());
  return (target) => (hosts.has(target) ? target : (byService.get(target) ?? target));
}

/** The host itself and every other that calls it or is called by it, directly or through others. */
function chainOf(own: string, graph: CallGraph): ReadonlySet<string> {
  const byService = hostByService(graph);
  const edges = graph.edges.map(({ from, to }) => [byService.get(from) ?? from, byService.get(to) ?? to] as const);
  const reach = (step: (host: string) => readonly string[]) => {
    const seen = new Set([own]);
    for (const host of seen) for (const next of step(host)) seen.add(next);
    return seen;
  };
  const callees = reach((host) => edges.flatMap(([from, to]) => (from === host ? [to] : [])));
  const callers = reach((host) => edges.flatMap(([from, to]) => (to === host ? [from] : [])));
  return new Set([...callees, ...callers]);
}
