import { randomUUID } from "node:crypto";
import { every, systemClock } from "#core/clock.ts";
import type { Registry } from "#runtime/engine/ray/registry.ts";
import { StartupError } from "../startup-error.ts";

const UP_LOCK_MS = 15_000;

/**
 * One `up` or `down` at a time.
 * @returns what gives the lock back
 * @throws StartupError when another is under way
 */
export async function holdUpLock(registry: Registry, namespace: string): Promise<() => Promise<void>> {
  const holder = randomUUID();
  if (!(await registry.acquire("up", holder, UP_LOCK_MS))) {
    throw new StartupError(
      "bootstrapped",
      `Another \`up\` or \`down\` of the namespace "${namespace}" is under way on this cluster.`,
      ["Wait for it, then look: seedcore status"],
    );
  }
  const stop = every(systemClock, UP_LOCK_MS / 3, async () => {
    await registry.acquire("up", holder, UP_LOCK_MS).catch(() => {});
  });
  return async () => {
    stop();
    await registry.release("up", holder).catch(() => {});
  };
}
