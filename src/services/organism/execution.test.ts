import { expect, it } from "vitest";
import { z } from "zod";
import type { Effect } from "#contracts/organism.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { execute } from "./execution.ts";
import { createFence } from "./fence.ts";
import { createRoster } from "./roster.ts";
import { defineSkill } from "./skill.ts";

// Organs counted as a success what their agent was blamed for; and agents, as their own, what nobody could see.
it.each([
  ["confirmed", [true]],
  ["unknown", []],
  ["absent", [false]],
] as const)("whose effect is %s tells the same, %j, of the organ and of its agent", async (state, outcomes) => {
  const clock = createFakeClock();
  const recorded: boolean[] = [];
  const roster = createRoster({
    organs: [{ id: "o", kind: "utility", summary: "", agents: ["o_agent_0"] }],
    most: 1,
    readAgents: async () => [],
    hired() {},
    clock,
  });
  const skill = defineSkill({
    name: "look",
    summary: "",
    organ: "o",
    risk: "none",
    idempotent: true,
    timeoutMs: 1_000,
    effectCheck: "",
    remedies: [],
    repairs: false,
    targetParam: null,
    canUndo: false,
    params: z.strictObject({}),
    execute: async () => ({ result: {}, effect: { state, evidence: "" } satisfies Effect }),
  });
  await execute(
    {
      fence: createFence(),
      roster,
      clock,
      log: createMemoryLogger(),
      record: ({ isSuccess }) => void recorded.push(isSuccess),
    },
    { taskId: "t", attempt: 1, route: { organ: "o", skill, resolvedFrom: "skill" }, params: {} },
    { signal: new AbortController().signal },
  );
  expect(recorded).toEqual(outcomes);
  const count = (isSuccess: boolean) => outcomes.filter((one) => one === isSuccess).length;
  expect(roster.counts()).toMatchObject([{ running: 0, succeeded: count(true), failed: count(false) }]);
});
