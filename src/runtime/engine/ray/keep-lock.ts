import { type Clock, every } from "#core/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { createLock } from "./lock.ts";
import type { Registry } from "./registry.ts";

export interface KeepLockDeps {
  readonly registry: Pick<Registry, "acquire" | "release">;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Takes the lock `name` of the registry and extends it, until it is given back.
 * @returns what gives it back and never rejects; undefined when another holds it
 */
export async function keepLock(
  { registry, clock, log }: KeepLockDeps,
  name: string,
  ttlMs: number,
): Promise<(() => Promise<void>) | undefined> {
  const lock = createLock(registry, name, ttlMs);
  if (!(await lock.acquire())) return undefined;
  let wasMine = true;
  const stop = every(clock, ttlMs / 3, async () => {
    // Without an answer it may be ours still.
    const isMine = await lock.acquire().catch(() => wasMine);
    if (wasMine && !isMine) log.warn({ lock: name }, "a lock was lost while it was needed: another has it meanwhile");
    wasMine = isMine;
  });
  return () => {
    stop();
    return lock.release();
  };
}
