/** What deliberation found out about open incidents: what is to blame, since when, and what follows from it. */
import type { CompiledQuery } from "kysely";
import type { Diagnosis } from "#contracts/cognitive.ts";
import type { StoryEntry } from "#contracts/incident.ts";
import type { Clock } from "#core/clock.ts";
import { isAnswer, isUnderWay } from "./action.ts";
import type { Actions } from "./actions.ts";
import type { Decisions } from "./decisions.ts";
import type { Conclusion } from "./deliberation.ts";
import type { IncidentRecord } from "./incident.ts";
import type { IncidentStore } from "./incident-store.ts";
import { aboutOf } from "./policy/signals-of.ts";
import { createSteadyTime } from "./steady-time.ts";
import * as story from "./story.ts";

interface Blame {
  readonly service: string | null;
  readonly kind: string;
  readonly sinceMs: number;
  /** The reasons for it, without their figures. */
  readonly grounds: string;
}

/** An incident with what was concluded, and what is to be stored with it. */
export interface Concluded {
  readonly incident: IncidentRecord;
  readonly entries: readonly StoryEntry[];
  readonly statements: readonly CompiledQuery<unknown>[];
  /** Something else is to blame than before. */
  readonly isNews: boolean;
  /** Once it is on the disk. */
  readonly stored: () => void;
}

export interface ConclusionsDeps {
  readonly store: Pick<IncidentStore, "diagnosis" | "putDiagnosis">;
  readonly actions: Pick<Actions, "ofIncident" | "steadyNow">;
  readonly decisions: Pick<Decisions, "on">;
  readonly clock: Clock;
}

/** A confidence that moved less than this is the same. */
const LEAST_CONFIDENCE_STEP = 0.05;
const MOST_RECALLED_TOLD = 3;
const LIKELY = 0.6;

export function createConclusions({ store, actions, decisions, clock }: ConclusionsDeps) {
  const blamed = new Map<string, Blame>();
  const blameTime = createSteadyTime(clock);
  /** When the newest of its crossings came in, by the monotonic clock. */
  const movedAt = new Map<string, number>();

  function blame(id: string, it: Blame): void {
    blamed.set(id, it);
    blameTime.note(id, it.sinceMs);
  }

  /** Undefined when it changes nothing. */
  async function take(incident: IncidentRecord, conclusion: Conclusion): Promise<Concluded | undefined> {
    const { id } = incident;
    const nowMs = clock.now();
    const { diagnosis, evidence } = conclusion;
    const { service, kind, confidence } = diagnosis.cause;
    const before = blamed.get(id);
    if (before !== undefined && isAnswered(id)) {
      blame(id, { ...before, sinceMs: nowMs });
      return undefined;
    }
    if (isBeingDone(id)) return undefined;
    // What follows a repair, such as people who had left, is not what the incident was about.
    const isAftermath = service === null && hasHelped(id);
    if (
      (kind === "unknown" || isAftermath || isHardlyLikelier(incident, diagnosis)) &&
      before !== undefined &&
      before.kind !== "unknown"
    ) {
      // What was to blame no longer shows. It stays in the story; but to be acted on it must show anew, and for as long.
      blame(id, { ...before, sinceMs: nowMs });
      return undefined;
    }
    const isSame = before !== undefined && before.service === service && before.kind === kind;
    const found = { service, kind, sinceMs: isSame ? before.sinceMs : nowMs, grounds: groundsOf(diagnosis) };
    const isSteady =
      isSame &&
      before.grounds === found.grounds &&
      Math.abs(confidence - (incident.cause?.confidence ?? 0)) < LEAST_CONFIDENCE_STEP;
    const thinking = isSteady ? incident : { ...incident, cause: { service, kind, confidence }, updatedAtMs: nowMs };
    const ageMs = isSame ? blameTime.now(id) - before.sinceMs : 0;
    const decided = await decisions.on(thinking, { ...conclusion, ageMs }, false);
    if (isSteady && decided.statements.length === 0 && decided.entries.length === 0) return undefined;
    const isFirst = before === undefined;
    return {
      incident: { ...thinking, decision: decided.decision },
      entries: [
        ...(isFirst && evidence.cases.length > 0
          ? [story.recalled(evidence.cases.slice(0, MOST_RECALLED_TOLD), nowMs)]
          : []),
        // That nothing is known yet is no news.
        ...(isSame || (isFirst && kind === "unknown") ? [] : [story.diagnosed(diagnosis, nowMs)]),
        ...decided.entries,
      ],
      statements: [
        store.putDiagnosis(id, {
          diagnosis,
          sinceMs: found.sinceMs,
          recalled: evidence.cases.map((one) => one.id),
          about: aboutOf(diagnosis, evidence),
        }),
        ...decided.statements,
      ],
      isNews: !isSame,
      stored() {
        blame(id, found);
        decided.stored();
      },
    };
  }

  const hasHelped = (id: string): boolean =>
    actions.ofIncident(id).some(({ risk, state }) => risk !== "none" && state === "helped");

  /** Then the figures tell of that. */
  const isBeingDone = (id: string): boolean =>
    actions.ofIncident(id).some((action) => action.risk !== "none" && isUnderWay(action));

  /** After it helped, only new movement asks anew, or time: what has come back must show for as long as it had to at first. */
  function isAnswered(id: string): boolean {
    const movedForMs = clock.monotonic() - (movedAt.get(id) ?? Number.NEGATIVE_INFINITY);
    return actions.ofIncident(id).some((action) => {
      const nowMs = actions.steadyNow(action.id);
      return action.risk !== "none" && isAnswer(action, nowMs) && nowMs - (action.endedAtMs ?? 0) <= movedForMs;
    });
  }

  return {
    take,

    /** One more of its series has moved. */
    moved: (id: string) => void movedAt.set(id, clock.monotonic()),

    forget(id: string): void {
      blamed.delete(id);
      blameTime.forget(id);
      movedAt.delete(id);
    },

    clear(): void {
      for (const id of blamed.keys()) blameTime.forget(id);
      blamed.clear();
      movedAt.clear();
    },

    /** Reads what is stored of those of which nothing is known yet. */
    async read(incidentIds: readonly string[]): Promise<void> {
      for (const id of incidentIds) {
        if (blamed.has(id)) continue;
        const stored = await store.diagnosis(id);
        if (stored === undefined) continue;
        const { service, kind } = stored.diagnosis.cause;
        blame(id, { service, kind, sinceMs: stored.sinceMs, grounds: groundsOf(stored.diagnosis) });
      }
    },
  };
}

/** Whether it is something else than before, less likely than that was, and hardly likelier than that nothing is known. */
function isHardlyLikelier({ cause: before }: IncidentRecord, { cause }: Diagnosis): boolean {
  if (before === null || (before.service === cause.service && before.kind === cause.kind)) return false;
  return cause.confidence < LIKELY && cause.confidence < before.confidence;
}

const groundsOf = ({ cause }: Diagnosis): string => {
  const grounds = cause.reasons.map(({ kind, weight }) => `${kind}${Math.sign(weight)}`);
  return [...new Set(grounds)].sort().join(" ");
};
