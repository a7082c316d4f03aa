import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createTakeover } from "./takeover.ts";

// A draining replica stored the end of a task after the new owner had read the actions and before it looked at the tasks.
it("has what may have ended elsewhere read again once it has looked", async () => {
  const log: string[] = [];
  const takeover = createTakeover({
    clock: createFakeClock(),
    log: createMemoryLogger(),
    running: async () => {
      log.push("looked");
      return [];
    },
    isRunningHere: () => false,
    isAlive: () => true,
    replace: async () => {},
    ended: () => {},
    mayHaveEnded: () => void log.push("told"),
  });
  await takeover.own(1);
  expect(log).toEqual(["looked", "told"]);
  await takeover.own(undefined);
  expect(log).toHaveLength(2);
});
