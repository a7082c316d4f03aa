/** What was decided about an incident and what became of it: a pure state machine. */
import type { Action } from "#contracts/action.ts";
import type { Execution } from "#contracts/organism.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";

export interface ActionRecord extends Action {
  /** The host, service or target it counts for in the blast radius, and how risky it is. */
  readonly risk: "none" | "low" | "high";
  /** What takes it back: as it was when it began, else as its execution told. */
  readonly undo: Execution["undo"];
  /** How sure the cause was on which it was decided, before recalibration; null when none was named. */
  readonly rawConfidence: number | null;
  /** Cases of the same against the same cause, and whether it helped there: they gain or lose weight by its outcome. */
  readonly recalled: readonly { readonly id: string; readonly helped: boolean }[];
  /** The ΔE that was expected before the ledger corrected it; null when nobody could tell. */
  readonly rawDeltaE?: number | null;
  /** When its task was given away; null again when that was cancelled before an attempt. */
  readonly begunAtMs?: number | null;
  /** Nobody saw how its task ended: it may have been done. */
  readonly isLost?: boolean;
}

/** One for which it is known what takes it back. */
export type Undoable = ActionRecord & { readonly undo: NonNullable<ActionRecord["undo"]> };

export type ActionEvent =
  /** It may be done now: by its mode, by a person, or because what held it back is over. */
  | ({ readonly kind: "begin"; readonly taskId: string; readonly by: string | null } & Pick<Execution, "undo">)
  | { readonly kind: "reject"; readonly by: string; readonly reason: string }
  | { readonly kind: "expire" }
  | ({ readonly kind: "executed"; readonly taskId: string } & Pick<Execution, "undo" | "effect">)
  | { readonly kind: "task-failed"; readonly taskId: string; readonly message: string; readonly hasBegun: boolean }
  /** Nobody knows whether it took effect. */
  | { readonly kind: "task-lost"; readonly taskId: string }
  /** What the look at its series said; `unsure` when they did not tell. */
  | { readonly kind: "checked"; readonly verdict: "helped" | "useless" | "unsure"; readonly evidence: string }
  | { readonly kind: "undo"; readonly taskId: string }
  /** It will be taken back, and not now. */
  | { readonly kind: "undo-held"; readonly why: string }
  | { readonly kind: "undo-given-up"; readonly why: string }
  | { readonly kind: "settle"; readonly outcome: "helped" | "useless" | "failed"; readonly by: string };

/** States in which something may still become of an action. */
export const UNENDED: readonly Action["state"][] = ["held", "proposed", "acting", "checking", "undoing", "unknown"];

export function isEnded({ state }: Pick<Action, "state">): boolean {
  return !UNENDED.includes(state);
}

/** Whether its target is being worked on. */
export function isUnderWay({ state }: Pick<Action, "state">): boolean {
  return state === "acting" || state === "checking" || state === "undoing";
}

/** Whether it is meant to make series routine again: what is not helps nothing, and shows of no cause that it was another. */
export const isRepair = ({ checkedSeries }: Pick<Action, "checkedSeries">): boolean => checkedSeries.length > 0;

/** Whether something with a risk was done, or begun and failed. */
export function wasTried({ risk, begunAtMs, state }: Pick<ActionRecord, "risk" | "begunAtMs" | "state">): boolean {
  return risk !== "none" && typeof begunAtMs === "number" && state !== "acting";
}

/** Whether nobody decided on it in time; what expires with its incident does so before. */
export function hasLapsed({ state, expiresAtMs, endedAtMs }: ActionRecord): boolean {
  return state === "expired" && expiresAtMs !== null && endedAtMs !== null && endedAtMs >= expiresAtMs;
}

/** Whether it did not help, and nothing that takes it back has begun. */
export function isToBeUndone(action: ActionRecord): action is Undoable {
  const { state, undo, undoTaskId } = action;
  return (state === "useless" || state === "undoing") && undo !== null && undoTaskId === null;
}

/** Whether it is to be taken back once maintenance is over. */
export function isWaitingForUndo(action: ActionRecord): action is Undoable {
  return action.state === "undoing" && isToBeUndone(action);
}

/** Somebody was told of an incident by it, and has not been told of the end. */
export function isToldWhenOver(action: ActionRecord): action is Undoable {
  return action.risk === "none" && action.state === "done" && action.undo !== null && action.undoTaskId === null;
}

/** Whatever shows the same so long after it helped has come back. */
const ANSWER_MS = 60_000;

/** Whether it has just helped: its effect is still coming in. */
export function isAnswer({ state, endedAtMs }: Pick<Action, "state" | "endedAtMs">, nowMs: number): boolean {
  return state === "helped" && endedAtMs !== null && nowMs - endedAtMs < ANSWER_MS;
}

/** The action after `event`; undefined when its state does not allow that. */
export function afterEvent(action: ActionRecord, event: ActionEvent, nowMs: number): ActionRecord | undefined {
  const to = (changes: Partial<ActionRecord>): ActionRecord => {
    const after = { ...action, ...changes };
    return { ...after, endedAtMs: isEnded(after) ? nowMs : null };
  };
  switch (event.kind) {
    case "begin": {
      if (action.state !== "held" && action.state !== "proposed") return undefined;
      if (action.expiresAtMs !== null && action.expiresAtMs <= nowMs) return undefined;
      const reason = event.by === null ? "It is being done." : `Approved by ${event.by}; it is being done.`;
      return to({
        state: "acting",
        taskId: event.taskId,
        decidedBy: event.by,
        expiresAtMs: null,
        begunAtMs: nowMs,
        undo: event.undo,
        reason,
      });
    }
    case "reject": {
      if (action.state !== "proposed") return undefined;
      const why = event.reason === "" ? "" : `: ${event.reason}`;
      return to({ state: "rejected", decidedBy: event.by, reason: `Rejected by ${event.by}${why}.` });
    }
    case "expire":
      if (action.state !== "proposed" || action.expiresAtMs === null || action.expiresAtMs > nowMs) return undefined;
      return to({ state: "expired", reason: "Nobody approved it in time." });
    case "executed":
      if (action.state === "undoing" && event.taskId === action.undoTaskId) {
        return to({ state: "undone", reason: `${action.reason} It was taken back.` });
      }
      if (action.state !== "acting" || event.taskId !== action.taskId) return undefined;
      return to({
        // An attempt after the first sees what that has done.
        undo: action.undo ?? event.undo,
        actedAtMs: nowMs,
        ...(isRepair(action) ? looked(action) : byEffect(event.effect)),
      });
    case "task-failed":
      if (action.state === "undoing" && event.taskId === action.undoTaskId) {
        return to({ state: "useless", reason: `${action.reason} Taking it back failed: ${event.message}` });
      }
      if (action.state !== "acting" || event.taskId !== action.taskId) return undefined;
      return to({ state: "failed", reason: event.message, ...(event.hasBegun ? {} : { begunAtMs: null }) });
    case "task-lost": {
      if (action.state === "undoing" && event.taskId === action.undoTaskId) {
        const reason = `${action.reason} Nobody saw whether it was taken back.`;
        return to({ state: "unknown", isLost: true, reason });
      }
      if (action.state !== "acting" || event.taskId !== action.taskId) return undefined;
      const lost = { isLost: true, actedAtMs: nowMs };
      if (!isRepair(action)) {
        return to({ ...lost, state: "unknown", reason: "Nobody saw how its task ended." });
      }
      const reason = `Nobody saw how its task ended; ${action.checkedSeries.join(", ")} will tell whether it helped.`;
      return to({ ...lost, state: "checking", reason });
    }
    case "checked": {
      if (action.state !== "checking") return undefined;
      const reason = action.isLost === true ? `Nobody saw it done. ${event.evidence}` : event.evidence;
      return to({ state: event.verdict === "unsure" ? "unknown" : event.verdict, reason });
    }
    case "undo":
      return isToBeUndone(action) ? to({ state: "undoing", undoTaskId: event.taskId }) : undefined;
    case "undo-held":
      if (action.state !== "useless" || !isToBeUndone(action)) return undefined;
      return to({ state: "undoing", reason: `${action.reason} It is taken back later. ${event.why}` });
    case "undo-given-up":
      if (!isToBeUndone(action)) return undefined;
      return to({ state: "useless", reason: `${action.reason} It is not taken back. ${event.why}` });
    case "settle":
      if (action.state !== "unknown") return undefined;
      return to({ state: event.outcome, decidedBy: event.by, reason: `${event.by} looked: ${event.outcome}.` });
  }
}

const looked = ({ checkedSeries }: ActionRecord) =>
  ({ state: "checking", reason: `It was done; ${checkedSeries.join(", ")} will tell whether it helped.` }) as const;

/** What repairs nothing has no other effect than its own. */
function byEffect({ state, evidence }: Execution["effect"]): Pick<ActionRecord, "state" | "reason"> {
  if (state === "absent") return { state: "failed", reason: `Its effect did not show. ${evidence}` };
  if (state === "unknown") return { state: "unknown", reason: `Whether it took effect is not known. ${evidence}` };
  return { state: "done", reason: "It was done." };
}

/** The action after a task of it has ended; undefined when that has not, or when the action's state does not allow it. */
export function afterTask(
  action: ActionRecord,
  task: TaskRecord,
  event: TaskEvent,
  nowMs: number,
): ActionRecord | undefined {
  if (task.state === "succeeded" && event.kind === "succeed") {
    const { undo, effect } = event.execution;
    return afterEvent(action, { kind: "executed", taskId: task.id, undo, effect }, nowMs);
  }
  if (task.state !== "failed" && task.state !== "cancelled") return undefined;
  // Whoever stops a message need not say afterwards what became of it.
  const isStopped = task.state === "cancelled" && action.risk === "none";
  if (task.error?.code === "OUTCOME_UNKNOWN" && !isStopped) {
    return afterEvent(action, { kind: "task-lost", taskId: task.id }, nowMs);
  }
  const hasBegun = task.attempts > 0;
  const failed = task.error === null ? "Its task failed." : `${task.error.code}: ${task.error.message}`;
  const cancelled = hasBegun ? "Its task was cancelled." : "Its task was cancelled before it began.";
  const message = task.state === "failed" ? failed : cancelled;
  return afterEvent(action, { kind: "task-failed", taskId: task.id, message, hasBegun }, nowMs);
}

/** What outsiders see of an action. */
export function toAction(record: ActionRecord): Action {
  const { risk: _risk, undo: _undo, rawConfidence: _raw, recalled: _recalled, ...action } = record;
  return action;
}
