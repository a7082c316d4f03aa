/** Bringing services from built to ready: warm-up first, then what may take long, honestly not ready meanwhile. */
import { type Clock, sleep } from "#core/clock.ts";
import type { Service } from "../service.ts";
import type { Logger } from "../telemetry/logger.ts";

const RETRY_MS = [250, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

/**
 * Runs a service's `initialise` until it succeeds, with backoff; `failed` is told each failure.
 * Resolves false when the signal aborts first.
 */
export async function initialise(
  service: Service,
  signal: AbortSignal,
  clock: Clock,
  log: Logger,
  failed: (reason: string) => void,
): Promise<boolean> {
  const name = service.contract.name;
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      await service.initialise?.(signal);
      return !signal.aborted;
    } catch (error) {
      if (signal.aborted) return false;
      const retryMs = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0;
      log.warn({ service: name, error, retryMs }, "a service could not initialise; trying again");
      failed(`${name} could not initialise: ${error instanceof Error ? error.message : String(error)}`);
      await sleep(clock, retryMs, signal).catch(() => {});
    }
  }
  return false;
}
