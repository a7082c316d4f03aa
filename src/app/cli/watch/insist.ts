import { type Clock, sleep } from "#core/clock.ts";
import { isServiceError } from "#core/service-error.ts";

/** A host that was killed serves again within seconds; an organism that is gone does not. */
const GIVE_UP_AFTER_MS = 60_000;
const RETRY_MS = 500;

/** Repeats while the failure may pass, for a minute at most. */
export async function insist<T>(attempt: () => Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  const giveUpAtMs = clock.monotonic() + GIVE_UP_AFTER_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const mayPass = isServiceError(error) && (error.retryable || error.code === "EXPIRED");
      if (!mayPass || signal.aborted || clock.monotonic() >= giveUpAtMs) throw error;
      await sleep(clock, error.retryAfterMs ?? RETRY_MS, signal).catch(() => {});
    }
  }
}
