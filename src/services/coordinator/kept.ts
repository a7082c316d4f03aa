/** An answer that is kept for a while: the old one is given until a new one is there, so that nobody waits for it. */
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";

export function createKept<T>(deps: {
  readonly ask: () => Promise<T>;
  /** Given while nothing was ever answered. */
  readonly nothing: T;
  readonly keptMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}): () => Promise<T> {
  const { clock } = deps;
  let kept: T | undefined;
  let staleAtMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    try {
      kept = await deps.ask();
      staleAtMs = clock.monotonic() + deps.keptMs;
    } catch (error) {
      deps.log.debug({ err: error }, "What is kept could not be asked for anew.");
    } finally {
      asking = undefined;
    }
  }

  return async () => {
    if (clock.monotonic() >= staleAtMs) asking ??= runDetached(refresh);
    if (kept === undefined) await asking;
    return kept ?? deps.nothing;
  };
}
