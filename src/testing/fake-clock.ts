import type { Clock } from "#core/clock.ts";

/** A clock that stands still until it is told to move. */
export interface FakeClock extends Clock {
  /** Moves time forward; runs every timer that falls due, in order, and lets promises settle after each. */
  advance(ms: number): Promise<void>;
  /** Moves wall time alone, as a correction of the machine's clock does; may be negative. */
  jump(ms: number): void;
  /** Timers that wait. */
  readonly pending: number;
}

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
}

/** @param startMs wall time at the start; the monotonic clock starts at 0. Default 2026-01-01T00:00:00Z. */
export function createFakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsedMs = 0;
  let wallStartMs = startMs;
  const timers = new Set<Timer>();

  /** The earliest due timer; of equals the one set first, as a Set keeps its order. */
  const nextDue = (limitMs: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.dueMs <= limitMs && (next === undefined || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  };

  return {
    now: () => wallStartMs + elapsedMs,
    monotonic: () => elapsedMs,
    after(delayMs, task) {
      const timer = { dueMs: elapsedMs + Math.max(0, delayMs), task };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const endMs = elapsedMs + ms;
      await settle();
      for (let timer = nextDue(endMs); timer !== undefined; timer = nextDue(endMs)) {
        timers.delete(timer);
        elapsedMs = Math.max(elapsedMs, timer.dueMs);
        timer.task();
        await settle();
      }
      elapsedMs = endMs;
    },
    jump(ms) {
      wallStartMs += ms;
    },
    get pending() {
      return timers.size;
    },
  };
}

/** An immediate runs only after every promise reaction that is ready, however long their chain. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
