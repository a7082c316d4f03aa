import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createLookout } from "./lookout.ts";
import { createTurns } from "./turns.ts";

function open(look: () => Promise<void> = async () => {}) {
  const clock = createFakeClock();
  const looks: number[] = [];
  const turns = createTurns(async () => {});
  let dueMs = Infinity;
  const lookout = createLookout({
    turns,
    nextMs: () => dueMs,
    look: async () => {
      looks.push(clock.monotonic() - began);
      await look();
    },
    clock,
    log: createMemoryLogger(),
  });
  const began = clock.monotonic();
  turns.begin(1);
  return { clock, looks, lookout, due: (inMs: number) => void (dueMs = clock.now() + inMs) };
}

// Writes that failed faster than every five seconds kept quiet incidents open for as long as they did.
it("looks at what is in doubt after five seconds, however often there is more of it", async () => {
  const { clock, looks, lookout } = open();
  lookout.doubt();
  for (let i = 0; i < 4; i++) {
    await clock.advance(1_500);
    if (looks.length === 0) lookout.doubt();
  }
  expect(looks).toEqual([5_000]);
});

it("does not put off what is due before because of a doubt", async () => {
  const { clock, looks, lookout, due } = open();
  due(1_000);
  lookout.arm();
  lookout.doubt();
  await clock.advance(1_000);
  expect(looks).toEqual([1_000]);
});

it("leaves alone for five seconds what failed, although it is due", async () => {
  const failures = [new Error("The database is away.")];
  const { clock, looks, lookout, due } = open(async () => {
    const failure = failures.pop();
    if (failure !== undefined) throw failure;
    due(Infinity);
  });
  due(1_000);
  lookout.arm();
  for (let i = 0; i < 8; i++) await clock.advance(1_000);
  expect(looks).toEqual([1_000, 6_000]);
});
