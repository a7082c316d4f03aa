import { expect, it } from "vitest";
import { sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import type { Registry } from "./registry.ts";
import { createRegistryLock } from "./registry-lock.ts";

// A change that took longer than the lock lasted was undone by another organism's in the middle of it.
it("is held for as long as the change takes, and not after it", async () => {
  const clock = createFakeClock();
  let held = { holder: "", untilMs: 0 };
  const registry: Pick<Registry, "acquire" | "release"> = {
    async acquire(_name, holder, ttlMs) {
      if (held.holder !== holder && clock.monotonic() < held.untilMs) return false;
      held = { holder, untilMs: clock.monotonic() + ttlMs };
      return true;
    },
    async release() {
      held = { holder: "", untilMs: 0 };
    },
  };
  const lock = createRegistryLock({ registry, clock, log: silentLogger });
  const seen: string[] = [];
  const change = (name: string) =>
    lock(async () => {
      seen.push(`${name} begins`);
      await sleep(clock, 50_000);
      seen.push(`${name} ends`);
    });
  const both = Promise.all([change("one"), change("two")]);
  await clock.advance(101_000);
  await both;
  expect(seen).toEqual(["one begins", "one ends", "two begins", "two ends"]);
  expect(clock.pending).toBe(0);
});

// An extension that arrived after the release took the lock again for half a minute, for nobody.
it("is not given back before its last extension was answered", async () => {
  const clock = createFakeClock();
  const calls: string[] = [];
  let answer = () => {};
  const registry: Pick<Registry, "acquire" | "release"> = {
    async acquire() {
      calls.push("acquire");
      if (calls.length > 1) await new Promise<void>((resolve) => (answer = resolve));
      return true;
    },
    async release() {
      calls.push("release");
    },
  };
  const change = createRegistryLock({ registry, clock, log: silentLogger })(() => sleep(clock, 15_000));
  await clock.advance(20_000);
  expect(calls).toEqual(["acquire", "acquire"]);
  answer();
  await change;
  expect(calls).toEqual(["acquire", "acquire", "release"]);
});

// Its holder changed the applications together with another, and nothing said so.
it("that another has got meanwhile is told in the log, once", async () => {
  const clock = createFakeClock();
  const log = createMemoryLogger();
  let isMine = true;
  const registry: Pick<Registry, "acquire" | "release"> = { acquire: async () => isMine, release: async () => {} };
  const change = createRegistryLock({ registry, clock, log })(() => sleep(clock, 60_000));
  await clock.advance(15_000);
  expect(log.lines).toEqual([]);
  isMine = false;
  await clock.advance(45_000);
  await change;
  expect(log.lines).toMatchObject([{ level: "warn", fields: { lock: "serve" } }]);
});

// A session that was lost in that moment made a change that had been made look as if it had failed.
it("gives what came of the change, also when it cannot be given back", async () => {
  const clock = createFakeClock();
  const registry: Pick<Registry, "acquire" | "release"> = {
    acquire: async () => true,
    release: () => Promise.reject(new ServiceError("CONNECTION_LOST", "The session was lost.")),
  };
  const lock = createRegistryLock({ registry, clock, log: silentLogger });
  expect(await lock(async () => "changed")).toBe("changed");
  await expect(lock(() => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
  expect(clock.pending).toBe(0);
});
