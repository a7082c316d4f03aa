/** `down`: asks the organism of a namespace to stop and waits until it has. */
import { type Clock, sleep, systemClock } from "#core/clock.ts";
import type { Home } from "./home.ts";
import { isRunning, type RunFile, readRunFile, removeRunFile } from "./run-file.ts";

export type DownOutcome =
  | { readonly kind: "stopped"; readonly run: RunFile; readonly tookMs: number }
  /** `stale` tells of a run file whose process is gone; it was removed. */
  | { readonly kind: "not-running"; readonly stale: boolean }
  | { readonly kind: "still-running"; readonly run: RunFile };

export interface DownOptions {
  /** How long to wait. @default 330000, somewhat longer than a call may take */
  readonly timeoutMs?: number;
  /** End it at once instead of letting it finish what it has begun. */
  readonly now?: boolean;
  readonly clock?: Clock;
  /** Told again and again while it still runs. */
  readonly onWait?: (waitedMs: number) => void;
}

const LOOK_EVERY_MS = 50;
const PATIENCE_MS = 330_000;

/** @throws Error when the process belongs to another user. */
export async function bringDown(home: Home, options: DownOptions = {}): Promise<DownOutcome> {
  const clock = options.clock ?? systemClock;
  const run = readRunFile(home.runFile);
  if (run === undefined || !isRunning(run)) {
    if (run !== undefined) removeRunFile(home.runFile);
    return { kind: "not-running", stale: run !== undefined };
  }
  const began = clock.monotonic();
  // Killed, it cannot tidy up: its reaper ends the hosts and the next start the rest.
  process.kill(run.pid, options.now === true ? "SIGKILL" : "SIGTERM");
  while (isRunning(run)) {
    options.onWait?.(clock.monotonic() - began);
    if (clock.monotonic() - began > (options.timeoutMs ?? PATIENCE_MS)) return { kind: "still-running", run };
    await sleep(clock, LOOK_EVERY_MS);
  }
  if (options.now === true) removeRunFile(home.runFile);
  return { kind: "stopped", run, tookMs: clock.monotonic() - began };
}
