import { expect, it } from "vitest";
import type { Silence } from "#contracts/policy.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { silence } from "./silence.ts";

function setUp() {
  const silences = new Map<string, Silence>();
  const skill = silence({
    silences: Object.assign(async () => ({ silences: [...silences.values()] }), { try: never }),
    addSilence: Object.assign(
      async ({ series, toMs, reason = "" }: { series: string; toMs: number; reason?: string | undefined }) => {
        const one = { id: `sil_${silences.size + 1}`, series, fromMs: 0, toMs, reason };
        silences.set(one.id, one);
        return one;
      },
      { try: never },
    ),
    removeSilence: Object.assign(async ({ id }: { id: string }) => ({ removed: silences.delete(id) }), { try: never }),
  });
  const context = {
    taskId: "task_1",
    signal: new AbortController().signal,
    clock: createFakeClock(),
    log: createMemoryLogger(),
  };
  return {
    silences,
    run: (params: Record<string, unknown>) => skill.execute(skill.params.parse(params), context),
  };
}

const never = () => Promise.reject(new Error("not asked for"));

// A task that is tried again, or taken back twice, must leave what one would.
it("is one silence however often its task is tried, and none once it was taken back", async () => {
  const { silences, run } = setUp();
  const first = await run({ series: "host/*", minutes: 5 });
  expect(await run({ series: "host/*", minutes: 5 })).toEqual(first);
  expect([...silences.keys()]).toEqual(["sil_1"]);
  expect(first.undo).toEqual({ skill: "silence", params: { series: "host/*", ends: "sil_1" } });
  for (let times = 0; times < 2; times++) {
    const { effect, undo } = await run(first.undo?.params ?? {});
    expect(effect.state).toBe("confirmed");
    expect(undo).toBeUndefined();
  }
  expect(silences.size).toBe(0);
});
