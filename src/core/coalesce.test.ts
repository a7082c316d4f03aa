import { expect, it } from "vitest";
import { coalesce } from "./coalesce.ts";

// A caller who comes in the very turn in which a run ends must get a run that began after the call, or an engine that
// was just told of a change answers as if there were none.
it("gives every caller a run that began after the call, in whatever turn it comes", async () => {
  for (let turns = 0; turns < 12; turns++) {
    let begun = 0;
    let release = () => {};
    const run = coalesce(() => {
      begun++;
      return begun > 1
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            release = resolve;
          });
    });
    const first = run();
    release();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const before = begun;
    await run();
    expect({ turns, later: begun > before }).toEqual({ turns, later: true });
    await first;
  }
});

it("makes one run of many calls, and goes on after a failure", async () => {
  const outcomes = [new Error("first"), undefined, undefined];
  let begun = 0;
  const run = coalesce(async () => {
    const outcome = outcomes[begun++];
    await Promise.resolve();
    if (outcome !== undefined) throw outcome;
  });
  await expect(run()).rejects.toThrow("first");
  await Promise.all([run(), run(), run(), run()]);
  expect(begun).toBe(3);
});
