/** What was decided about an incident and what became of it: a pure state machine. */
import type { Action } from "#contracts/coordinator.ts";
import type { Execution } from "#contracts/organism.ts";

export interface ActionRecord extends Action {
  /** The host, service or target it counts for in the blast radius, and how risky it is. */
  readonly risk: "none" | "low" | "high";
  /** What takes it back; known once it was done. */
  readonly undo: Execution["undo"];
  /** Cases that spoke for it: they gain or lose weight by its outcome. */
  readonly recalled: readonly string[];
}

export type ActionEvent =
  /** It may be done now: by its mode, by a person, or because what held it back is over. */
  | { readonly kind: "begin"; readonly taskId: string; readonly by: string | null }
  | { readonly kind: "reject"; readonly by: string; readonly reason: string }
  | { readonly kind: "expire" }
  | { readonly kind: "executed"; readonly taskId: string; readonly undo: Execution["undo"] }
  | { readonly kind: "task-failed"; readonly taskId: string; readonly message: string; readonly isUnknown: boolean }
  /** What the look at its series said; `unsure` when they did not tell. */
  | { readonly kind: "checked"; readonly verdict: "helped" | "useless" | "unsure"; readonly evidence: string }
  | { readonly kind: "undo"; readonly taskId: string }
  | { readonly kind: "settle"; readonly outcome: "helped" | "useless" | "failed"; readonly by: string };

/** States in which nothing more happens by itself. */
export function isEnded({ state }: Pick<Action, "state">): boolean {
  return !["held", "proposed", "acting", "checking", "undoing", "unknown"].includes(state);
}

/** Whether its target is being worked on. */
export function isUnderWay({ state }: Pick<Action, "state">): boolean {
  return state === "acting" || state === "checking" || state === "undoing";
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
      return to({ state: "acting", taskId: event.taskId, decidedBy: event.by, expiresAtMs: null, reason });
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
      if (action.checkedSeries.length === 0) {
        return to({ state: "done", undo: event.undo, actedAtMs: nowMs, reason: "It was done." });
      }
      return to({
        state: "checking",
        undo: event.undo,
        actedAtMs: nowMs,
        reason: `It was done; ${action.checkedSeries.join(", ")} will tell whether it helped.`,
      });
    case "task-failed":
      if (action.state === "undoing" && event.taskId === action.undoTaskId) {
        return to({ state: "useless", reason: `${action.reason} Taking it back failed: ${event.message}` });
      }
      if (action.state !== "acting" || event.taskId !== action.taskId) return undefined;
      return to({ state: event.isUnknown ? "unknown" : "failed", reason: event.message });
    case "checked":
      if (action.state !== "checking") return undefined;
      if (event.verdict === "unsure") return to({ state: "unknown", reason: event.evidence });
      return to({ state: event.verdict, reason: event.evidence });
    case "undo":
      if (action.state !== "useless" || action.undo === null || action.undoTaskId !== null) return undefined;
      return to({ state: "undoing", undoTaskId: event.taskId });
    case "settle":
      if (action.state !== "unknown") return undefined;
      return to({ state: event.outcome, decidedBy: event.by, reason: `${event.by} looked: ${event.outcome}.` });
  }
}
