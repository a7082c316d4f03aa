/** The signals of an incident as it is known now. */
import type { Diagnosis, Evidence } from "#contracts/cognitive.ts";
import type { Maintenance } from "#contracts/coordinator.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { ActionRecord } from "../action.ts";
import { signatureOf } from "../evidence.ts";
import { type IncidentRecord, seriesKey } from "../incident.ts";
import type { Signals } from "./signals.ts";

/** Figures of the whole; undefined where nobody knows. */
export interface SystemFigures {
  readonly openIncidents: number;
  readonly energy?: number | undefined;
  readonly cpu?: number | undefined;
  readonly memory?: number | undefined;
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
    | { readonly diagnosis: Diagnosis; readonly evidence: Evidence; readonly sinceMs: number }
    /** As it was stored. */
    | { readonly diagnosis: Diagnosis; readonly evidence?: undefined; readonly sinceMs: number; readonly about: About }
    | undefined;
  readonly actions: readonly ActionRecord[];
  readonly system: SystemFigures;
  /** What moved, where the diagnosis has no evidence with it. */
  readonly moved?: readonly Crossing[];
  readonly maintenanceOf: (target: string) => Maintenance | undefined;
  readonly nowMs: number;
}

/** Cases less like or less believed than these are no experience. */
const LEAST_LIKENESS = 0.5;
const LEAST_WEIGHT = 0.4;

export function toSignals(known: Known): Signals {
  const { incident, thought, actions, system, nowMs } = known;
  const cause = causeOf(known);
  const tried = actions.filter(({ risk, actedAtMs }) => risk !== "none" && actedAtMs !== null);
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
      useless: tried.filter(({ state, undoTaskId }) => state === "useless" || undoTaskId !== null).length,
      skills: tried.map(({ skill }) => skill),
    },
    system: {
      openIncidents: system.openIncidents,
      energy: system.energy,
      cpu: system.cpu,
      memory: system.memory,
      isMaintenance: known.maintenanceOf(cause.host ?? "") !== undefined,
    },
    now: { hour: now.getUTCHours(), weekday: ((now.getUTCDay() + 6) % 7) + 1 },
  };
}

function causeOf({ thought, nowMs }: Known): Signals["cause"] {
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
    ageS: Math.max(0, (nowMs - thought.sinceMs) / 1_000),
    changeKind,
  };
}

function recalledOf(thought: Known["thought"]): Signals["recalled"] {
  const alike = (thought?.evidence?.cases ?? []).filter(
    ({ likeness, weight }) => likeness >= LEAST_LIKENESS && weight >= LEAST_WEIGHT,
  );
  const cause = thought?.diagnosis.cause;
  const same = alike.filter((one) => one.cause?.kind === cause?.kind && one.cause?.service === cause?.service);
  const best = same.find(({ helped }) => helped === true);
  return {
    count: alike.length,
    helped: same.filter(({ helped }) => helped === true).length,
    failed: same.filter(({ helped }) => helped === false).length,
    skill: best?.action?.skill ?? "",
    likeness: best?.likeness ?? 0,
  };
}
