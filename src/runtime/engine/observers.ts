import type { Clock } from "#core/clock.ts";

/** Those who wait for a state that others bring about. */
export interface Observers {
  /** Something changed: everybody looks again. */
  changed(): void;
  /** Resolves once `done` says so; after `timeoutMs` rejects with what `onTimeout` gives, or resolves when that is nothing. */
  until(done: () => boolean, timeoutMs: number, onTimeout: () => Error | undefined): Promise<void>;
}

export function createObservers(clock: Clock): Observers {
  const waiting = new Set<() => void>();
  return {
    changed() {
      for (const check of waiting) check();
    },
    until: (done, timeoutMs, onTimeout) =>
      new Promise((resolve, reject) => {
        const finish = (error?: Error) => {
          cancel();
          waiting.delete(check);
          if (error) reject(error);
          else resolve();
        };
        const check = () => {
          if (done()) finish();
        };
        const cancel = clock.after(timeoutMs, () => finish(onTimeout()));
        waiting.add(check);
        check();
      }),
  };
}
