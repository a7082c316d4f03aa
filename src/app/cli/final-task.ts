import type { Task } from "#contracts/task.ts";

/** Whether nothing will happen to it any more. */
export function isFinal({ state }: Pick<Task, "state">): boolean {
  return state === "succeeded" || state === "failed" || state === "cancelled";
}
