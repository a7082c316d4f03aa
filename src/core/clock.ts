/** Time, injected everywhere: tests bring a fake one from `#testing/fake-clock.ts`. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. May jump. For what is stored and shown. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary start. For deadlines, leases and intervals. */
  monotonic(): number;
  /** Runs `task` after `delayMs`; the returned function cancels it. A pending timer keeps the process alive: cancel it on close. */
  after(delayMs: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Runs `task` every `intervalMs`, never twice at once; the returned function stops it. The task handles its own errors. */
export function every(clock: Clock, intervalMs: number, task: () => Promise<void> | void): () => void {
  let cancel = () => {};
  let stopped = false;
  const schedule = () => {
    cancel = clock.after(intervalMs, async () => {
      try {
        await task();
      } finally {
        if (!stopped) schedule();
      }
    });
  };
  schedule();
  return () => {
    stopped = true;
    cancel();
  };
}
