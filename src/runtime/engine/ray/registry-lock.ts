import { sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { ServeLock } from "../../ray/rest/serve-applications.ts";
import { type KeepLockDeps, keepLock } from "./keep-lock.ts";

const LOCK_MS = 30_000;
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;

/** One change of Serve's applications at a time among all organisms of the cluster. */
export function createRegistryLock(deps: KeepLockDeps): ServeLock {
  const { clock } = deps;
  return async (task) => {
    const unlock = await take();
    try {
      return await task();
    } finally {
      await unlock();
    }
  };

  async function take(): Promise<() => Promise<void>> {
    const giveUpAtMs = clock.monotonic() + PATIENCE_MS;
    while (true) {
      // Kept: a PUT may take a minute, and there are several in a change that somebody disturbs.
      const unlock = await keepLock(deps, "serve", LOCK_MS);
      if (unlock !== undefined) return unlock;
      if (clock.monotonic() > giveUpAtMs) {
        throw new ServiceError(
          "CONFLICT",
          `Somebody else has been changing this cluster's applications for ${PATIENCE_MS / 1_000} s. Look at it, then try again.`,
          { started: "no" },
        );
      }
      await sleep(clock, RETRY_MS);
    }
  }
}
