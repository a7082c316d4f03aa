import { expect, it } from "vitest";
import { createTurns } from "./turns.ts";

it("begins a turn when the one before has ended, also when that failed", async () => {
  const turns = createTurns(async () => {});
  turns.begin(7);
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take(async (under) => {
    log.push(`first under ${under}`);
    await gate.promise;
    throw new Error("It failed.");
  });
  const second = turns.take(async () => log.push("second"));
  gate.resolve();
  await expect(first).rejects.toThrow("It failed.");
  await second;
  expect(log).toEqual(["first under 7", "second"]);
});

// What another write left in doubt meanwhile was taken for read, and what could not be read for certain.
it("reads anew before the next turn, until that has succeeded and nothing has come into doubt since", async () => {
  const readings = [
    () => Promise.reject(new Error("The database is away.")),
    async () => turns.doubt(),
    async () => {},
  ];
  const turns = createTurns(async () => readings.shift()?.());
  turns.begin(1);
  turns.doubt();
  await expect(turns.take(async () => {})).rejects.toThrow("away");
  await turns.take(async () => {});
  expect(turns.isDoubtful()).toBe(true);
  await turns.take(async () => {});
  expect(turns.isDoubtful()).toBe(false);
  expect(readings).toEqual([]);
});

// What waited for its turn was done on what another owner had changed by then.
it("lets what waits begin no more once the coordinator has moved", async () => {
  const turns = createTurns(async () => {});
  turns.begin(1);
  const gate = Promise.withResolvers<void>();
  const running = turns.take(() => gate.promise);
  const waiting = turns.take(async () => {});
  await Promise.resolve();
  const stopped = turns.stop();
  gate.resolve();
  await expect(waiting).rejects.toMatchObject({ code: "NOT_OWNER" });
  await Promise.all([running, stopped]);
});
