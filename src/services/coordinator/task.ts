/** A task's record and its life as a pure function: what every event does to it, and which events it refuses. */
import type { Task } from "#contracts/task.ts";
import type { Execution } from "#contracts/organism.ts";

/**
 * Who may run a task and store its result. Not renewed: an attempt cannot outlast `untilMs`, since its time-out is
 * earlier. With the number of attempts it fences: a result is stored only under the lease that began it.
 */
export interface Lease {
  /** The owner's epoch when it took the task. */
  readonly epoch: number;
  /** The replica that runs it. */
  readonly holder: string;
  readonly untilMs: number;
}

export interface TaskRecord extends Task {
  /** Order of submission. */
  readonly seq: number;
  /** Attempts one submission or retry grants. */
  readonly allowance: number;
  /** Whether its skill may be run again when nobody knows whether it ran. */
  readonly repeatable: boolean;
  /** Exactly while it is running. */
  readonly lease: Lease | null;
}

export interface TaskFailure {
  readonly code: string;
  readonly message: string;
}

export type TaskEvent =
  /** Its time has come. */
  | { readonly kind: "due" }
  | { readonly kind: "claim"; readonly lease: Lease }
  | { readonly kind: "succeed"; readonly execution: Execution }
  /** `retryDelayMs` null: no further attempt can help. */
  | { readonly kind: "fail"; readonly failure: TaskFailure; readonly retryDelayMs: number | null }
  /** Its executor is gone, and with it the knowledge of what became of the attempt. */
  | { readonly kind: "orphan" }
  | { readonly kind: "cancel" }
  | { readonly kind: "retry" };

export function isFinal(state: Task["state"]): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}

/** The task after `event`, or undefined when its state does not allow that. */
export function transition(task: TaskRecord, event: TaskEvent, nowMs: number): TaskRecord | undefined {
  const to = (changes: Partial<TaskRecord>): TaskRecord => ({ ...task, lease: null, ...changes, updatedAtMs: nowMs });
  switch (event.kind) {
    case "due":
      return task.state === "scheduled" && task.runAfterMs <= nowMs ? to({ state: "queued" }) : undefined;
    case "claim":
      return task.state === "queued"
        ? to({ state: "running", attempts: task.attempts + 1, lease: event.lease })
        : undefined;
    case "succeed": {
      const { result, effect, organ, agent } = event.execution;
      return task.state === "running"
        ? to({ state: "succeeded", result, effect, organ, agent, error: null })
        : undefined;
    }
    case "fail":
      return task.state === "running" ? afterFailure(task, event.failure, event.retryDelayMs, nowMs, to) : undefined;
    case "orphan":
      return task.state === "running"
        ? afterFailure(task, orphaned(task), task.repeatable ? 0 : null, nowMs, to)
        : undefined;
    case "cancel":
      if (isFinal(task.state)) return undefined;
      return to({ state: "cancelled", ...(task.state === "running" ? { error: stopped(task) } : {}) });
    case "retry":
      return task.state === "failed" || task.state === "cancelled"
        ? to({
            state: "queued",
            maxAttempts: task.attempts + task.allowance,
            runAfterMs: nowMs,
            error: null,
            organ: null,
            agent: null,
          })
        : undefined;
  }
}

function afterFailure(
  task: TaskRecord,
  error: TaskFailure,
  retryDelayMs: number | null,
  nowMs: number,
  to: (changes: Partial<TaskRecord>) => TaskRecord,
): TaskRecord {
  if (retryDelayMs === null || task.attempts >= task.maxAttempts) return to({ state: "failed", error });
  if (retryDelayMs === 0) return to({ state: "queued", error, runAfterMs: nowMs });
  return to({ state: "scheduled", error, runAfterMs: nowMs + retryDelayMs });
}

function stopped(task: TaskRecord): TaskFailure {
  const message = `It was cancelled while attempt ${task.attempts} ran, which may have taken effect: look before it is done again.`;
  return { code: "OUTCOME_UNKNOWN", message };
}

function orphaned(task: TaskRecord): TaskFailure {
  return task.repeatable
    ? { code: "CONNECTION_LOST", message: `The process that ran attempt ${task.attempts} ended.` }
    : {
        code: "OUTCOME_UNKNOWN",
        message: `The process that ran attempt ${task.attempts} ended before it told the outcome, and "${task.type}" must not be run twice. Look at its effect; if it is missing, submit the task again.`,
      };
}
