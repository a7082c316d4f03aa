/** The sentences of an incident's story. */
import type { Diagnosis, RecalledCase } from "#contracts/cognitive.ts";
import type { Action } from "#contracts/action.ts";
import type { Incident, RecordedChange, StoryEntry } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import { skillName } from "#contracts/action-text.ts";
import { formatDuration } from "#core/duration.ts";
import { seriesKey } from "./incident.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";

/** The story is in the order in which things became known; a change that was earlier says when. */
const AT_ONCE_MS = 5_000;

export function noticed(kind: "noticed" | "joined", crossing: Crossing, nowMs: number): StoryEntry {
  const { value, expected, spread, direction } = crossing;
  return {
    atMs: nowMs,
    kind,
    text: `${seriesKey(crossing)} moved ${direction} to ${number(value)} where ${number(expected)} ± ${number(spread)} was routine.`,
    data: { ...crossing },
  };
}

export function cleared(crossing: Crossing, clearedAtMs: number, nowMs: number): StoryEntry {
  const lasted = formatDuration(Math.max(0, clearedAtMs - crossing.startedAtMs));
  return {
    atMs: nowMs,
    kind: "quiet",
    text: `${seriesKey(crossing)} is routine again after ${lasted}.`,
    data: { crossingId: crossing.id, clearedAtMs },
  };
}

export function changed(change: RecordedChange, nowMs: number): StoryEntry {
  const target = change.target === "" ? "" : ` of ${change.target}`;
  const when = Math.abs(nowMs - change.atMs) < AT_ONCE_MS ? "" : ` at ${new Date(change.atMs).toISOString()}`;
  return {
    atMs: nowMs,
    kind: "change",
    text: `${change.kind}${target}${when}: ${change.summary}`,
    data: { ...change },
  };
}

export function undecided(nowMs: number): StoryEntry {
  return { atMs: nowMs, kind: "decided", text: "No rule of the policy matches; nothing is done.", data: null };
}

export function diagnosed({ cause, thought, alternatives }: Diagnosis, nowMs: number): StoryEntry {
  const { service, kind, confidence } = cause;
  return {
    atMs: nowMs,
    kind: "diagnosed",
    text: kind === "unknown" ? thought : `${thought} (${percent(confidence)} sure.)`,
    data: {
      cause: { service, kind, confidence },
      reasons: cause.reasons.map(({ text }) => text),
      alternatives: alternatives
        .slice(0, 3)
        .map((other) => ({ service: other.service, kind: other.kind, confidence: other.confidence })),
    },
  };
}

const EFFECT_OF: ReadonlyMap<RecalledCase["helped"], string> = new Map([
  [true, "helped"],
  [false, "did not help"],
  [null, "failed, or nobody knows whether it helped"],
]);

export function recalled(cases: readonly RecalledCase[], nowMs: number): StoryEntry {
  const [nearest] = cases;
  const what =
    nearest === undefined || nearest.action === null
      ? "nothing was done"
      : `${skillName(nearest.action)} ${EFFECT_OF.get(nearest.helped)}`;
  return {
    atMs: nowMs,
    kind: "recalled",
    text: `Alike: ${cases.map(({ id, likeness }) => `${id} (${percent(likeness)})`).join(", ")}. In the nearest ${what}.`,
    data: { incidents: cases.map(({ id }) => id) },
  };
}

const DECIDED = {
  observed: ["decided", "is not done"],
  held: ["decided", "is held back"],
  proposed: ["proposed", "waits for a person"],
  rejected: ["rejected", "is not done"],
  expired: ["expired", "is not done"],
  acting: ["decided", "is done"],
} as const;

/** An action as it was decided, or as a person decided on it. */
export function actionDecided(action: Action, nowMs: number): StoryEntry {
  const [kind, does] = Object.hasOwn(DECIDED, action.state)
    ? DECIDED[action.state as keyof typeof DECIDED]
    : (["note", `is ${action.state}`] as const);
  const what = action.wouldBegin ? "would have been done" : does;
  const name = skillName(action);
  const isPlain = action.state === "acting" && action.decidedBy === null;
  const { id, rule, skill, target, state, taskId, reasoning = "" } = action;
  const why = action.decidedBy === null && reasoning !== "" && state !== "expired" ? ` ${reasoning}` : "";
  return {
    atMs: nowMs,
    kind: action.state === "acting" && action.decidedBy !== null ? "approved" : kind,
    text: isPlain
      ? `Rule "${rule}" decides for${why === "" ? ` ${name}.` : why}`
      : `Rule "${rule}": ${name} ${what}. ${action.reason}${why}`,
    data: { actionId: id, rule, skill, target, state, taskId },
  };
}

export function actionChecked(action: Action, nowMs: number): StoryEntry {
  const verdict = { helped: "helped", useless: "did not help" }[action.state as "helped" | "useless"];
  return {
    atMs: nowMs,
    kind: "outcome",
    text: `${skillName(action)} ${verdict ?? "has an unknown outcome"}. ${action.reason}`,
    data: { actionId: action.id, state: action.state },
  };
}

/** What is or was to be taken back, and is not: now, or at all. */
export function actionKept(action: Action, why: string, nowMs: number): StoryEntry {
  const what = action.state === "undoing" ? "taken back later" : "not taken back";
  return {
    atMs: nowMs,
    kind: "note",
    text: `${skillName(action)} is ${what}. ${why}`,
    data: { actionId: action.id },
  };
}

export function actionUndone(action: Action, nowMs: number): StoryEntry {
  return {
    atMs: nowMs,
    kind: "undone",
    text: `${skillName(action)} was taken back.`,
    data: { actionId: action.id },
  };
}

/** A rule that could not be followed, or was not worth it. */
export function notFollowed(text: string, nowMs: number): StoryEntry {
  return { atMs: nowMs, kind: "decided", text, data: null };
}

export function labelled(label: NonNullable<Incident["label"]>, by: string, nowMs: number): StoryEntry {
  const what = label === "incident" ? "this is an incident" : "this is no incident; its series may move this far";
  return { atMs: nowMs, kind: "labelled", text: `${by} says that ${what}.`, data: { label } };
}

export function acknowledged(by: string, nowMs: number): StoryEntry {
  return { atMs: nowMs, kind: "acknowledged", text: `${by} is at it.`, data: { by } };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** What an attempt of an incident's task adds to the story. */
export function attempted(task: TaskRecord, event: TaskEvent, nowMs: number): StoryEntry[] {
  const data = { taskId: task.id, attempt: task.attempts };
  if (event.kind === "succeed") {
    const { skill, agent, organ, effect, result } = event.execution;
    return [
      { atMs: nowMs, kind: "acted", text: `${agent} of ${organ} executed ${skill}.`, data },
      {
        atMs: nowMs,
        kind: "outcome",
        text: `${EFFECTS[effect.state]} ${effect.evidence}`,
        data: { ...data, effect, result },
      },
    ];
  }
  if (task.state === "cancelled") {
    return [{ atMs: nowMs, kind: "outcome", text: `${task.type} was cancelled.`, data }];
  }
  const reason = task.error === null ? "unknown" : `${task.error.code}: ${task.error.message}`;
  return [
    task.state === "failed"
      ? { atMs: nowMs, kind: "outcome", text: `${task.type} failed for good. ${reason}`, data }
      : {
          atMs: nowMs,
          kind: "note",
          text: `Attempt ${task.attempts} of ${task.type} failed; it is tried again. ${reason}`,
          data,
        },
  ];
}

const EFFECTS = {
  confirmed: "The effect is confirmed.",
  absent: "The effect did not show.",
  unknown: "Whether it took effect is unknown.",
} as const;

export function resolved(seriesCount: number, nowMs: number): StoryEntry {
  const who = seriesCount === 1 ? "Its series has" : `All of its ${seriesCount} series have`;
  return { atMs: nowMs, kind: "resolved", text: `${who} been quiet; the incident is over.`, data: null };
}

/** Four significant digits, without an exponent where a person would not write one. */
function number(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  return String(Number(value.toPrecision(size >= 1_000 ? 7 : 4)));
}
