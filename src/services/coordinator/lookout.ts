/** Looks at what time alone changes: incidents that have become quiet, silences that are over, what is in doubt. */
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { Turns } from "./turns.ts";

export interface LookoutDeps {
  readonly turns: Turns;
  /** When there may be something to see; infinite when never. */
  readonly nextMs: () => number;
  readonly look: (under: number) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How soon what is in doubt is looked at, and for how long it is left alone after that failed. */
const PAUSE_MS = 5_000;
/** Since wall clocks are set and machines sleep. */
const LONGEST_TIMER_MS = 60_000;

export function createLookout({ turns, nextMs, look, clock, log }: LookoutDeps) {
  let cancelTimer = () => {};
  /** By the monotonic clock; more doubt does not put it off. */
  let doubtDueMs: number | undefined;
  let pausedUntilMs = -Infinity;

  function arm(): void {
    cancelTimer();
    if (!turns.isOwner()) return;
    const atMs = clock.monotonic();
    doubtDueMs = turns.isDoubtful() ? (doubtDueMs ?? atMs + PAUSE_MS) : undefined;
    const dueInMs = Math.min(nextMs() - clock.now(), (doubtDueMs ?? Infinity) - atMs);
    const delayMs = Math.max(dueInMs, pausedUntilMs - atMs);
    if (delayMs === Number.POSITIVE_INFINITY) return;
    runDetached(() => {
      cancelTimer = clock.after(Math.min(LONGEST_TIMER_MS, Math.max(1, delayMs)), () => void lookInTurn());
    });
  }

  /** What is in memory must be read again before it is relied on, and soon, whatever else happens. */
  function doubt(): void {
    turns.doubt();
    arm();
  }

  async function lookInTurn(): Promise<void> {
    doubtDueMs = undefined;
    try {
      await turns.take(look);
      arm();
    } catch (error) {
      if (!turns.isOwner()) return;
      log.warn(
        { err: error },
        "Quiet incidents could not be resolved, or what was silenced not be opened; trying again.",
      );
      pausedUntilMs = clock.monotonic() + PAUSE_MS;
      doubt();
    }
  }

  return { arm, doubt, cancel: () => cancelTimer() };
}
