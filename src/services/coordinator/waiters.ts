/** Callers that wait for a task to become final, told in this process rather than by asking the database. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";

export interface Waiters {
  /**
   * Resolves when the task is told to be final, or after `waitMs`. Register before the task is read.
   * @throws ServiceError OVERLOADED when too many wait already.
   */
  wait(id: string, waitMs: number, signal: AbortSignal): Waiting;
  tell(id: string): void;
  /** Sends everybody to the new owner. */
  dismiss(): void;
}

export interface Waiting extends Disposable {
  readonly told: Promise<void>;
}

/** @param limit how many may wait at once */
export function createWaiters(clock: Clock, limit: () => number): Waiters {
  let count = 0;
  const waiting = new Map<string, Set<(error?: Error) => void>>();

  return {
    wait(id, waitMs, signal) {
      if (count >= limit()) {
        throw new ServiceError("OVERLOADED", `${count} calls wait for tasks already; ask without waitMs, or later.`, {
          retryAfterMs: 500,
        });
      }
      count++;
      const { promise: told, resolve, reject } = Promise.withResolvers<void>();
      // Nobody may be listening yet, or any more.
      told.catch(() => {});
      const set = waiting.get(id) ?? new Set();
      waiting.set(id, set);
      const end = (error?: Error) => {
        if (!set.delete(end)) return;
        count--;
        cancel();
        signal.removeEventListener("abort", onAbort);
        if (set.size === 0 && waiting.get(id) === set) waiting.delete(id);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => end(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      const cancel = clock.after(waitMs, () => end());
      signal.addEventListener("abort", onAbort, { once: true });
      set.add(end);
      return { told, [Symbol.dispose]: () => end() };
    },
    tell(id) {
      for (const end of waiting.get(id) ?? []) end();
    },
    dismiss() {
      const moved = new ServiceError("NOT_OWNER", "The coordinator has moved to another replica; wait there.");
      for (const set of waiting.values()) for (const end of set) end(moved);
    },
  };
}
