/**
 * What could be to blame, and how much speaks for and against each: additive evidence in log odds, as in naive Bayes
 * (Good, Probability and the Weighing of Evidence, 1950). docs/reasoning.md lists the weights and why.
 */
import type { CauseKind, Evidence, Movement, Reason } from "#contracts/cognitive.ts";
import { formatDuration } from "#core/duration.ts";
import { type GraphView, type OwnTrouble, viewGraph } from "./graph-view.ts";
import { leadLag, together } from "./lead-lag.ts";

export interface Candidate {
  readonly service: string | null;
  readonly kind: CauseKind;
  readonly reasons: readonly Reason[];
  /** Sum of the weights, in log odds. */
  readonly score: number;
  readonly changeId: string | null;
}

/** What nothing speaks for has to be beaten by what something speaks for. */
export const UNKNOWN_SCORE = 1;

const WEIGHTS = {
  /** Own trouble: per doubling, and at most. */
  ownPerDoubling: 1.1,
  ownMost: 3.5,
  /** The whole of all services' own trouble of the kind is this one's; none of it is. */
  ownShare: 1.2,
  explains: 1.5,
  first: 0.5,
  leads: 0.7,
  history: 0.8,
  change: 1.6,
  wellAfter: 2,
  recalled: 1.5,
  misled: 1.2,
  demandInstead: 2,
  notMoved: 0.6,
  leak: 2,
  demand: 3.2,
  outside: 2.6,
} as const;

/** A change this long before the first movement may be behind it. */
const CHANGE_BEFORE_MS = 10 * 60_000;
const CHANGE_AFTER_MS = 5_000;
/** What a change breaks mostly shows at once: after so long it speaks neither for nor against, and then against. */
const CHANGE_NEUTRAL_MS = 120_000;
const CHANGE_SCALE_MS = 30_000;
/** Movements this close together began together. */
const TOGETHER_MS = 1_500;
const SIGNIFICANT = 0.05;
/** Demand counts as changed from this ratio on, up or down. */
const DEMAND_RATIO = 1.4;
/** All services are slower from this factor on. */
const SLOWDOWN = 1.4;
const LEAST_LIKENESS = 0.4;
const MOST_CORRELATED = 12;

export function weigh(evidence: Evidence): Candidate[] {
  const graph = viewGraph(evidence.graph);
  const movements = [...evidence.movements].sort(
    (a, b) => a.startedAtMs - b.startedAtMs || (a.series < b.series ? -1 : 1),
  );
  const scene: Scene = { evidence, graph, movements, firstMs: movements[0]?.startedAtMs ?? evidence.atMs };
  const candidates = [
    ...graph.services.flatMap(({ service }) =>
      graph.trouble(service).map((trouble) => ofTrouble(scene, service, trouble)),
    ),
    ...ofChanges(scene),
    ...ofDemand(scene),
    ...ofOutside(scene),
    candidate(null, "unknown", [], null, UNKNOWN_SCORE),
  ];
  return candidates.sort((a, b) => b.score - a.score || compare(nameOf(a), nameOf(b)));
}

interface Scene {
  readonly evidence: Evidence;
  readonly graph: GraphView;
  /** In the order in which they began. */
  readonly movements: readonly Movement[];
  readonly firstMs: number;
}

function candidate(
  service: string | null,
  kind: CauseKind,
  reasons: readonly Reason[],
  changeId: string | null = null,
  base = 0,
): Candidate {
  return { service, kind, reasons, changeId, score: reasons.reduce((sum, { weight }) => sum + weight, base) };
}

function ofTrouble(scene: Scene, service: string, trouble: OwnTrouble): Candidate {
  const { kind } = trouble;
  const reasons = [
    ownReason(scene, service, trouble),
    explainsReason(scene, service, kind),
    firstReason(scene, service, kind),
    leadsReason(scene, service, kind),
    historyReason(scene, service, kind),
    demandReason(scene, service, kind),
    leakReason(scene, service, kind),
    ...recalledReasons(scene, service, kind),
  ].filter((reason) => reason !== undefined);
  return candidate(service, kind, reasons);
}

const WHAT = { latency: "own time per call", errors: "own errors", memory: "memory", crash: "replicas" } as const;

function ownReason({ graph }: Scene, service: string, trouble: OwnTrouble): Reason {
  const { kind, before, now, unit, rise } = trouble;
  const all = graph.services.flatMap((one) => graph.trouble(one.service)).filter((one) => one.kind === kind);
  const share = rise / all.reduce((sum, one) => sum + one.rise, 0);
  const floor = { latency: 2, errors: 0.2, memory: 20, crash: 1 }[kind];
  const doublings = kind === "crash" ? 2.5 : Math.log2((now + floor) / (before + floor));
  const strength = Math.min(WEIGHTS.ownMost, WEIGHTS.ownPerDoubling * doublings);
  const without = kind === "memory" ? "" : ", without what it waits for";
  const text =
    kind === "crash"
      ? `${service} has ${now} of ${before} replicas ready, or answers nobody.`
      : `${service}'s ${WHAT[kind]} rose from ${number(before)} to ${number(now)} ${unit}${without}.`;
  return {
    kind: kind === "crash" ? "replicas" : "own-share",
    text,
    weight: strength + WEIGHTS.ownShare * (2 * share - 1),
    refs: [service],
  };
}

/** Trouble travels from the called to the caller. */
function explainsReason({ graph, movements }: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  const symptoms = new Set(
    movements
      .filter(({ metric, direction }) => direction === "up" && (metric === "latency" || metric === "errors"))
      .flatMap((one) => (one.service === null ? [] : [one.service])),
  );
  if (kind === "memory") return undefined;
  if (symptoms.size === 0) return strangersReason(movements, service, kind);
  const affected = graph.callersOf(service);
  const explained = [...symptoms].filter((one) => affected.has(one)).sort();
  const share = explained.length / symptoms.size;
  const others = explained.filter((one) => one !== service);
  const text =
    share < 0.5
      ? `Most of what moved (${[...symptoms].sort().join(", ")}) does not depend on ${service}.`
      : others.length === 0
        ? `Nothing else moved that ${service} does not explain.`
        : `${others.join(", ")} ${others.length === 1 ? "waits" : "wait"} for ${service}.`;
  return { kind: "explains", text, weight: WEIGHTS.explains * (2 * share - 1), refs: explained };
}

/** Slowness and errors of a service are in its own series, or its callers'. */
function strangersReason(
  movements: readonly Movement[],
  service: string,
  kind: OwnTrouble["kind"],
): Reason | undefined {
  if (kind === "crash" || movements.length === 0 || movements.some((one) => one.service !== null)) return undefined;
  const refs = movements.slice(0, 5).map(({ series }) => series);
  return {
    kind: "explains",
    text: `Nothing that moved (${refs.join(", ")}) is of a service, or depends on ${service}.`,
    weight: -WEIGHTS.explains,
    refs,
  };
}

function own({ movements }: Scene, service: string, kind: OwnTrouble["kind"]): Movement | undefined {
  const metric = kind === "crash" ? "errors" : kind;
  return movements.find((one) => one.service === service && one.metric === metric && one.direction === "up");
}

function firstReason(scene: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  const movement = own(scene, service, kind);
  if (movement === undefined) {
    return kind === "crash"
      ? undefined
      : {
          kind: "against",
          text: `No movement of ${service}/${kind} was noticed yet.`,
          weight: -WEIGHTS.notMoved,
          refs: [],
        };
  }
  if (scene.movements.length < 2 || movement.startedAtMs - scene.firstMs > TOGETHER_MS) return undefined;
  return {
    kind: "first",
    text: `${movement.series} was among the first to move.`,
    weight: WEIGHTS.first,
    refs: [movement.series],
  };
}

function leadsReason(scene: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  const movement = own(scene, service, kind);
  const windows = new Map(scene.evidence.windows.map((window) => [window.series, window.values]));
  const cause = movement === undefined ? undefined : windows.get(movement.series);
  const others = scene.movements
    .filter((one) => one.service !== service && windows.has(one.series))
    .slice(0, MOST_CORRELATED);
  if (movement === undefined || cause === undefined || others.length === 0) return undefined;
  const effect = together(others.map((one) => windows.get(one.series) ?? []));
  const found = leadLag(cause, effect);
  if (found === undefined || found.p > SIGNIFICANT) return undefined;
  const refs = [movement.series, ...others.map(({ series }) => series)];
  const p = `p = ${number(found.p)}`;
  if (found.lag < 0) {
    return {
      kind: "against",
      text: `${movement.series} follows the others by ${-found.lag} steps (${p}).`,
      weight: -WEIGHTS.leads,
      refs,
    };
  }
  const how = found.lag === 0 ? "moves together with" : `leads by ${found.lag} steps`;
  return { kind: "leads", text: `${movement.series} ${how} the others (${p}).`, weight: WEIGHTS.leads, refs };
}

function historyReason(scene: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  const movement = own(scene, service, kind);
  if (movement === undefined || movement.spread <= 0) return undefined;
  const distance = Math.abs(movement.value - movement.expected) / movement.spread;
  if (distance < 3) return undefined;
  return {
    kind: "history",
    text: `${movement.series} is ${number(distance)} spreads from its routine.`,
    weight: Math.min(WEIGHTS.history, WEIGHTS.history * Math.log10(distance / 3 + 1)),
    refs: [movement.series],
  };
}

/** What more calls explain needs no fault. */
function demandReason({ graph }: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  const one = graph.services.find((candidate) => candidate.service === service);
  const ratio = one === undefined ? undefined : graph.demand(one);
  if (kind !== "latency" || ratio === undefined || ratio < DEMAND_RATIO) return undefined;
  return {
    kind: "against",
    text: `${service} is asked ${number(ratio)} times as often as before: that alone may slow it down.`,
    weight: -WEIGHTS.demandInstead,
    refs: [service],
  };
}

/** A service whose memory runs out is slow or fails for it; one that is slow for another reason does not grow before. */
function leakReason(scene: Scene, service: string, kind: OwnTrouble["kind"]): Reason | undefined {
  if (kind === "crash" || !scene.graph.trouble(service).some((one) => one.kind === "memory")) return undefined;
  const memory = own(scene, service, "memory");
  const followed = (["latency", "errors"] as const).flatMap((one) => own(scene, service, one) ?? []);
  const later = followed.filter((one) => kind === "memory" || one.metric === kind);
  const [first] = later.toSorted((a, b) => a.startedAtMs - b.startedAtMs);
  if (memory === undefined || first === undefined) return undefined;
  const ahead = first.startedAtMs - memory.startedAtMs;
  if (ahead <= TOGETHER_MS) return undefined;
  return {
    kind: kind === "memory" ? "first" : "against",
    text: `${memory.series} rose ${formatDuration(ahead)} before ${first.series} did.`,
    weight: kind === "memory" ? WEIGHTS.leak : -WEIGHTS.leak,
    refs: [memory.series, first.series],
  };
}

function recalledReasons({ evidence }: Scene, service: string | null, kind: CauseKind): Reason[] {
  const same = evidence.cases
    .filter(({ cause, likeness }) => cause?.service === service && cause?.kind === kind && likeness >= LEAST_LIKENESS)
    .sort((a, b) => b.likeness * b.weight - a.likeness * a.weight || compare(a.id, b.id));
  const right = same.find(({ helped }) => helped === true);
  const wrong = same.find(({ helped }) => helped === false);
  const reasons: Reason[] = [];
  if (right !== undefined) {
    const weight = WEIGHTS.recalled * right.likeness * Math.min(1, 2 * right.weight);
    reasons.push({
      kind: "recalled",
      text: `It was so in ${right.id}, and what was done then helped.`,
      weight,
      refs: [right.id],
    });
  }
  if (wrong !== undefined) {
    const weight = -WEIGHTS.misled * wrong.likeness * wrong.weight;
    reasons.push({
      kind: "recalled",
      text: `In ${wrong.id} the same was blamed, and what was done did not help.`,
      weight,
      refs: [wrong.id],
    });
  }
  return reasons;
}

/** A change is behind trouble that its target has of its own since. */
function ofChanges(scene: Scene): Candidate[] {
  const { evidence, graph, firstMs, movements } = scene;
  const near = evidence.changes
    .filter(({ byOrganism, kind }) => !byOrganism && kind !== "note")
    .filter(({ atMs }) => atMs >= firstMs - CHANGE_BEFORE_MS && atMs <= firstMs + CHANGE_AFTER_MS);
  return near.map((change) => {
    const beforeMs = Math.max(0, firstMs - change.atMs);
    const service =
      graph.services.find((one) => one.service === change.target || one.host === change.target)?.service ?? null;
    const closeness = 1 - Math.log1p(beforeMs / CHANGE_SCALE_MS) / Math.log1p(CHANGE_NEUTRAL_MS / CHANGE_SCALE_MS);
    const reasons: Reason[] = [
      {
        kind: "change",
        text: `${change.kind} of ${change.target || "something"} ${formatDuration(beforeMs)} before the first movement: ${change.summary}`,
        weight: WEIGHTS.change * closeness,
        refs: [change.id],
      },
    ];
    // The figures that the trouble is compared with are of after the change.
    if (service !== null && evidence.graph !== null && evidence.graph.beforeMs[0] >= change.atMs) {
      reasons.push({
        kind: "against",
        text: `${service} was well for minutes after that.`,
        weight: -WEIGHTS.wellAfter,
        refs: [change.id],
      });
    }
    const worst = service === null ? undefined : graph.trouble(service).toSorted((a, b) => b.rise - a.rise)[0];
    if (service !== null && worst !== undefined) {
      reasons.push(
        ...ofTrouble(scene, service, worst).reasons.filter(({ kind }) => kind !== "recalled"),
        ...recalledReasons(scene, service, "change"),
      );
    } else if (service !== null) {
      const isTouched = movements.some(
        (one) => one.service !== null && graph.callersOf(service).has(one.service) && !one.isCleared,
      );
      reasons.push(
        isTouched
          ? { kind: "explains", text: `What moved depends on ${service}.`, weight: 0.5, refs: [service] }
          : { kind: "against", text: `Nothing of ${service} is out of its routine now.`, weight: -1, refs: [service] },
      );
    }
    return candidate(service, "change", reasons, change.id);
  });
}

/** Demand changed from outside: nobody is to blame. */
function ofDemand({ graph, movements }: Scene): Candidate[] {
  const changed = graph.entries.flatMap((entry) => {
    const ratio = graph.demand(entry);
    return ratio !== undefined && (ratio >= DEMAND_RATIO || ratio <= 1 / DEMAND_RATIO) ? [{ entry, ratio }] : [];
  });
  const below = graph.services.flatMap((one) => {
    const ratio = one.isOwn ? graph.demand(one) : undefined;
    return ratio !== undefined && ratio <= 1 / DEMAND_RATIO ? [{ entry: one, ratio }] : [];
  });
  const isTroubled = graph.services.some(({ service }) =>
    graph.trouble(service).some(({ kind }) => kind !== "latency"),
  );
  const against: Reason[] = isTroubled
    ? [
        {
          kind: "against",
          text: "Some service has trouble of its own that demand does not explain.",
          weight: -1.5,
          refs: [],
        },
      ]
    : [];
  const moved = movements.filter(({ metric }) => metric === "requests").map(({ series }) => series);
  const [most] = changed.sort((a, b) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)));
  if (most !== undefined) {
    const text = `${most.entry.service}, which nobody known calls, is asked ${number(most.ratio)} times as often as before.`;
    return [candidate(null, "load", [{ kind: "demand", text, weight: WEIGHTS.demand, refs: moved }, ...against])];
  }
  const [fallen] = below.sort((a, b) => a.ratio - b.ratio);
  if (fallen === undefined) return [];
  const text = `${fallen.entry.service} is asked ${number(fallen.ratio)} times as often as before although it is well: its callers ask less.`;
  return [candidate(null, "outside", [{ kind: "demand", text, weight: WEIGHTS.outside, refs: moved }, ...against])];
}

/** Only what belongs to no service moved, or all services are slower alike: the machine, or somebody else on it. */
function ofOutside({ graph, movements }: Scene): Candidate[] {
  const outside = movements.filter(({ service }) => service === null).map(({ series }) => series);
  const isQuiet = graph.services.every(({ service }) => graph.trouble(service).length === 0);
  if (graph.services.length === 0 || !isQuiet) return [];
  const reasons: Reason[] = [];
  if (graph.slowdown >= SLOWDOWN) {
    const text = `All services take longer alike, by themselves: ${number(graph.slowdown)} times as long in the middle.`;
    reasons.push({ kind: "explains", text, weight: WEIGHTS.outside, refs: [] });
  }
  if (outside.length > 0) {
    const text = `${outside.slice(0, 5).join(", ")} moved, and no service has trouble of its own.`;
    reasons.push({ kind: "explains", text, weight: WEIGHTS.outside, refs: outside });
  }
  return reasons.length === 0 ? [] : [candidate(null, "outside", reasons)];
}

const number = (value: number): string => String(Number(value.toPrecision(3)));
const nameOf = ({ service, kind, changeId }: Candidate): string => `${service ?? ""}/${kind}/${changeId ?? ""}`;
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
