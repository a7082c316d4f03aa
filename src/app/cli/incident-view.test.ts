import { expect, it } from "vitest";
import type { Task } from "#contracts/coordinator.ts";
import { toCause, toTaskLine } from "./incident-view.ts";

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
