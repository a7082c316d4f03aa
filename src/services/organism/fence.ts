/** At most one execution of a task at a time, and none of an attempt that was overtaken. As far as this replica knows. */
import { ServiceError } from "#core/service-error.ts";

export interface Fence {
  /**
   * Lets an attempt in; an earlier one that still runs is stopped first.
   * @throws ServiceError CONFLICT for an attempt that is behind or runs already.
   */
  enter(taskId: string, attempt: number, controller: AbortController): Promise<Pass>;
}

export interface Pass {
  leave(): void;
}

interface Entry {
  readonly attempt: number;
  readonly controller: AbortController;
  readonly ended: PromiseWithResolvers<void>;
  isRunning: boolean;
}

/** Ended tasks that are remembered. */
const MAX_KEPT = 10_000;

export function createFence(): Fence {
  const entries = new Map<string, Entry>();

  function forgetOldest(): void {
    for (const [taskId, { isRunning }] of entries) {
      if (entries.size <= MAX_KEPT) return;
      if (!isRunning) entries.delete(taskId);
    }
  }

  return {
    async enter(taskId, attempt, controller) {
      const before = entries.get(taskId);
      if (before !== undefined && (attempt < before.attempt || (before.isRunning && attempt === before.attempt))) {
        const how = before.isRunning ? "is running" : "has run";
        throw new ServiceError(
          "CONFLICT",
          `Attempt ${attempt} of task "${taskId}" is refused: attempt ${before.attempt} ${how}.`,
          { started: "no" },
        );
      }
      const entry: Entry = { attempt, controller, ended: Promise.withResolvers(), isRunning: true };
      entries.delete(taskId);
      entries.set(taskId, entry);
      if (entries.size > MAX_KEPT) forgetOldest();
      const leave = () => {
        entry.isRunning = false;
        entry.ended.resolve();
      };
      if (before?.isRunning === true) {
        before.controller.abort(new ServiceError("CANCELLED", `Attempt ${attempt} of task "${taskId}" took over.`));
        await before.ended.promise;
      }
      return { leave };
    },
  };
}
