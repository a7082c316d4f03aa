import { randomUUID } from "node:crypto";
import { type Clock, sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { ServeLock } from "../../ray/rest/serve-applications.ts";
import type { Registry } from "./registry.ts";

/** Longer than any change takes; one who dies with the lock keeps the others waiting this long. */
const LOCK_MS = 30_000;
const PATIENCE_MS = 60_000;
const RETRY_MS = 200;

/** One change of Serve's applications at a time among all who know this registry. */
export function createRegistryLock(registry: Registry, clock: Clock): ServeLock {
  return async (task) => {
    const holder = randomUUID();
    const giveUpAtMs = clock.monotonic() + PATIENCE_MS;
    while (!(await registry.acquire("serve", holder, LOCK_MS))) {
      if (clock.monotonic() > giveUpAtMs) {
        throw new ServiceError(
          "CONFLICT",
          `Somebody else has been changing this organism's applications for ${PATIENCE_MS / 1_000} s. Look at it, then try again.`,
          { started: "no" },
        );
      }
      await sleep(clock, RETRY_MS);
    }
    try {
      return await task();
    } finally {
      await registry.release("serve", holder);
    }
  };
}
