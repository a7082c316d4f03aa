import { systemClock } from "#core/clock.ts";
import { keepLock } from "#runtime/engine/ray/keep-lock.ts";
import type { Registry } from "#runtime/engine/ray/registry.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { StartupError } from "../startup-error.ts";

const UP_LOCK_MS = 15_000;

/**
 * One `up` or `down` at a time.
 * @returns what gives the lock back
 * @throws StartupError when another is under way
 */
export async function holdUpLock(registry: Registry, namespace: string, log: Logger): Promise<() => Promise<void>> {
  const unlock = await keepLock({ registry, clock: systemClock, log }, "up", UP_LOCK_MS);
  if (unlock !== undefined) return unlock;
  throw new StartupError(
    "bootstrapped",
    `Another \`up\` or \`down\` of the namespace "${namespace}" is under way on this cluster.`,
    ["Wait for it, then look: seedcore status"],
  );
}
