/** The signals of an incident as it is known now. */
import type { Case, Diagnosis, Evidence, Hypothesis, RecalledCase } from "#contracts/cognitive.ts";
import type { Maintenance } from "#contracts/policy.ts";
import type { Crossing } from "#contracts/ml.ts";
import { signatureOf } from "#contracts/signature.ts";
import { type ActionRecord, hasLapsed, wasTried } from "../action.ts";
import { type IncidentRecord, seriesKey } from "../incident.ts";
import type { Signals } from "./signals.ts";

/** Figures of the whole; undefined where nobody knows. */
export interface SystemFigures {
  readonly openIncidents: number;
  readonly energy?: number | undefined;
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
  readonly successRate?: number | undefined;
}

/** What the evidence says of whom a diagnosis blames. */
export interface About {
  readonly host: string;
  readonly isOwn: boolean;
  /** Kind of the change behind it; empty without one. */
  readonly changeKind: string;
}

export function aboutOf({ cause }: Diagnosis, { graph, changes }: Evidence): About {
  const blamed = graph?.services.find(({ service }) => service === cause.service);
  return {
    host: blamed?.host ?? cause.service ?? "",
    isOwn: blamed?.isOwn ?? false,
    changeKind: changes.find(({ id }) => id === cause.changeId)?.kind ?? "",
  };
}

export interface Known {
  readonly incident: IncidentRecord;
  readonly thought:
    | { readonly diagnosis: Diagnosis; readonly evidence: Evidence; readonly ageMs: number }
    /** As it was stored. */
    | {
        readonly diagnosis: Diagnosis;
        readonly evidence?: undefined;
        readonly ageMs: number;
        readonly about: About;
        readonly cases: readonly RecalledCase[];
      }
    | undefined;
  readonly actions: readonly ActionRecord[];
  readonly system: SystemFigures;
  /** What moved, where the diagnosis has no evidence with it. */
  readonly moved?: readonly Crossing[];
  readonly maintenanceOf: (target: string) => Maintenance | undefined;
  readonly nowMs: number;
}

const LEAST_LIKENESS = 0.5;
const LEAST_WEIGHT = 0.4;
/** Neither helped nor can still: nothing shows that it did when it failed or its outcome is not known. */
const USELESS: ReadonlySet<ActionRecord["state"]> = new Set(["useless", "undoing", "undone", "failed", "unknown"]);

/** Whether a case is like enough, and has misled seldom enough, to be experience. */
export const isBelieved = ({ likeness, weight }: RecalledCase): boolean =>
  likeness >= LEAST_LIKENESS && weight >= LEAST_WEIGHT;

export const isSameCause = (cause: Case["cause"], other: Pick<Hypothesis, "service" | "kind">): boolean =>
  cause?.kind === other.kind && cause.service === other.service;

export function toSignals(known: Known): Signals {
  const { incident, thought, actions, system, nowMs } = known;
  const cause = causeOf(known);
  const tried = actions.filter(wasTried);
  const now = new Date(nowMs);
  return {
    incident: {
      id: incident.id,
      title: incident.title,
      severity: incident.severity,
      ageS: Math.max(0, (incident.lastEventMs - incident.openedAtMs) / 1_000),
      series: incident.series,
      distance: incident.distance,
      isAcknowledged: incident.acknowledgedBy !== null,
      moved:
        thought?.diagnosis.signature ??
        signatureOf(
          (known.moved ?? []).map((crossing) => ({ direction: crossing.direction, series: seriesKey(crossing) })),
        ),
    },
    cause,
    recalled: recalledOf(thought),
    tried: {
      count: tried.length,
      useless: tried.filter(({ state }) => USELESS.has(state)).length,
      skills: tried.map(({ skill }) => skill),
    },
    asked: {
      waiting: actions.filter(({ state }) => state === "proposed").length,
      expired: actions.filter(hasLapsed).length,
    },
    system: {
      openIncidents: system.openIncidents,
      energy: system.energy,
      cpu: system.cpu,
      memory: system.memory,
      successRate: system.successRate,
      isMaintenance: known.maintenanceOf(cause.host ?? "") !== undefined,
    },
    now: { hour: now.getUTCHours(), weekday: ((now.getUTCDay() + 6) % 7) + 1 },
  };
}

function causeOf({ thought }: Known): Signals["cause"] {
  if (thought === undefined) {
    return {
      isKnown: false,
      service: "",
      host: "",
      kind: "unknown",
      confidence: 0,
      isOwn: false,
      ageS: 0,
      changeKind: "",
    };
  }
  const { cause } = thought.diagnosis;
  const { host, isOwn, changeKind } =
    thought.evidence === undefined ? thought.about : aboutOf(thought.diagnosis, thought.evidence);
  return {
    isKnown: cause.kind !== "unknown",
    service: cause.service ?? "",
    host,
    kind: cause.kind,
    confidence: cause.confidence,
    isOwn,
    ageS: Math.max(0, thought.ageMs / 1_000),
    changeKind,
  };
}

function casesOf(thought: Known["thought"]): readonly RecalledCase[] {
  if (thought === undefined) return [];
  return thought.evidence === undefined ? thought.cases : thought.evidence.cases;
}

function recalledOf(thought: Known["thought"]): Signals["recalled"] {
  const alike = casesOf(thought).filter(isBelieved);
  const same = alike.filter(({ cause }) => thought !== undefined && isSameCause(cause, thought.diagnosis.cause));
  const best = same.find(({ helped }) => helped === true);
  return {
    count: alike.length,
    helped: same.filter(({ helped }) => helped === true).length,
    failed: same.filter(({ helped }) => helped === false).length,
    skill: best?.action?.skill ?? "",
    likeness: best?.likeness ?? 0,
  };
}
