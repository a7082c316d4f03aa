import { expect, it } from "vitest";
import type { Action } from "#contracts/action.ts";
import type { Task } from "#contracts/task.ts";
import type { Diagnosis } from "#contracts/cognitive.ts";
import { toActionLines, toCause, toTaskLine, toWhy } from "./incident-view.ts";

const task = { type: "notify", state: "queued", agent: null, error: null, createdAtMs: 0, updatedAtMs: 24 } as Task;

// "by nobody yet" of a task that failed before it had an agent reads as if one were still to come.
it("says who did a task, and for how long it may still be nobody", () => {
  expect(toTaskLine(task)).toBe("notify by nobody yet, queued after 24 ms");
  expect(
    toTaskLine({ ...task, state: "failed", error: { code: "X", message: "No organ can." } as Task["error"] }),
  ).toBe("notify by no agent, failed after 24 ms: No organ can.");
  expect(toTaskLine({ ...task, state: "succeeded", agent: "a_1" })).toBe("notify by a_1, succeeded after 24 ms");
});

// "unknown, 100 % sure" reads as a finding.
it("says how sure a cause is, and of an unknown one only that", () => {
  expect(toCause({ service: "cart", kind: "latency", confidence: 0.987 })).toBe("latency of cart, 99 % sure");
  expect(toCause({ service: null, kind: "load", confidence: 0.5 })).toBe("load, 50 % sure");
  expect(toCause({ service: null, kind: "unknown", confidence: 1 })).toBe("not known");
});

// The page had it, and whoever read the story in a terminal did not learn what to do.
it("says what should be done about a cause", () => {
  const cause = { service: "cart", kind: "latency", reasons: [{ weight: -0.6, text: "No series moved." }] };
  const diagnosis = { thought: "cart is slow.", cause, alternatives: [], proposedSolution: "Restart it.", missing: [] };
  expect(toWhy(diagnosis as unknown as Diagnosis)).toEqual([
    ["", "cart is slow."],
    ["-0.6  ", "No series moved."],
    ["do    ", "Restart it."],
  ]);
});

// "unknown" alone left whoever read it to look for the command, and nothing more is done to its target until it is given.
it("says of an action whose outcome is unknown how to settle it", () => {
  const action = {
    id: "act_1",
    skill: "restart-host",
    target: "cart",
    state: "unknown",
    reason: "Nobody saw how its task ended.",
    predictedDeltaE: -0.5,
    measuredDeltaE: null,
  } as Action;
  expect(toActionLines(action)).toEqual([
    "restart-host of cart: unknown. Nobody saw how its task ended. ΔE -0.50 expected",
    "Look, then say what became of it (helped, useless or failed): seedcore settle act_1 --outcome OUTCOME",
  ]);
  expect(toActionLines({ ...action, target: "", state: "helped", reason: "Routine.", measuredDeltaE: -0.25 })).toEqual([
    "restart-host: helped. Routine. ΔE -0.50 expected, -0.25 measured",
  ]);
});
