import { expect, it } from "vitest";
import { every, sleep } from "#core/clock.ts";
import { createFakeClock } from "./fake-clock.ts";

// A fake clock that runs timers out of order, or stops before the work they woke, proves nothing in any other test.
it("runs due timers in order of time, then of setting, and lets what they wake finish", async () => {
  const clock = createFakeClock(1_000);
  const log: string[] = [];
  clock.after(20, () => log.push(`c@${clock.now()}`));
  clock.after(10, () => log.push(`a@${clock.now()}`));
  clock.after(10, () => log.push(`b@${clock.now()}`));
  const chain = (async () => {
    await sleep(clock, 15);
    log.push("slept");
    await sleep(clock, 100);
    log.push("too late");
  })();
  await clock.advance(50);
  expect(log).toEqual(["a@1010", "b@1010", "slept", "c@1020"]);
  expect(clock.now()).toBe(1_050);
  expect(clock.pending).toBe(1);
  await clock.advance(65);
  await chain;
  expect(log.at(-1)).toBe("too late");
});

it("runs a repeating timer once per interval and forgets it when stopped", async () => {
  const clock = createFakeClock();
  let runs = 0;
  const stop = every(clock, 10, () => {
    runs++;
  });
  await clock.advance(35);
  stop();
  await clock.advance(100);
  expect(runs).toBe(3);
  expect(clock.pending).toBe(0);
});

it("keeps the monotonic clock steady when wall time jumps", () => {
  const clock = createFakeClock(5_000);
  clock.jump(-2_000);
  expect([clock.now(), clock.monotonic()]).toEqual([3_000, 0]);
});
