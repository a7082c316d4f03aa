/** The sentences of an incident's story. */
import type { PolicyRule, RecordedChange, StoryEntry } from "#contracts/coordinator.ts";
import type { Crossing } from "#contracts/ml.ts";
import { seriesKey } from "./incident.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";

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
  const lastedS = Math.max(0, clearedAtMs - crossing.startedAtMs) / 1_000;
  return {
    atMs: nowMs,
    kind: "quiet",
    text: `${seriesKey(crossing)} is routine again after ${number(lastedS)} s.`,
    data: { crossingId: crossing.id, clearedAtMs },
  };
}

export function changed(change: RecordedChange, nowMs: number): StoryEntry {
  const target = change.target === "" ? "" : ` of ${change.target}`;
  return { atMs: nowMs, kind: "change", text: `${change.kind}${target}: ${change.summary}`, data: { ...change } };
}

export function decided(rule: PolicyRule | undefined, taskId: string | null, nowMs: number): StoryEntry {
  return {
    atMs: nowMs,
    kind: "decided",
    text:
      rule === undefined
        ? "No rule of the policy matches; nothing is done."
        : `Rule "${rule.name}" decides for ${rule.skill}.`,
    data: rule === undefined ? null : { rule: rule.name, skill: rule.skill, taskId },
  };
}

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
