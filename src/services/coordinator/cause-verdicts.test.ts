import { expect, it } from "vitest";
import type { ActionRecord } from "./action.ts";
import { judgeCauses } from "./cause-verdicts.ts";

const STOCK = { service: "stock", kind: "latency", confidence: 0.9 } as const;
const CART = { service: "cart", kind: "errors", confidence: 0.8 } as const;

let next = 0;
const action = (
  state: ActionRecord["state"],
  cause: ActionRecord["cause"] = STOCK,
  rawConfidence: number | null = 0.7,
) =>
  ({
    id: `act_${++next}`,
    risk: "high",
    state,
    cause,
    rawConfidence,
    begunAtMs: next,
    undoTaskId: null,
    checkedSeries: ["services/stock/latency"],
  }) as ActionRecord;

const open = { state: "open", label: null } as const;
const over = { state: "resolved", label: null } as const;
const none = { state: "open", label: "not-an-incident" } as const;

const verdicts = (incident: Parameters<typeof judgeCauses>[0], ...actions: ActionRecord[]) =>
  judgeCauses(incident, actions).map(({ wasRight }) => wasRight);

it("says nothing of the cause while only one remedy for it did not help", () => {
  expect(verdicts(open, action("useless"))).toEqual([]);
  expect(verdicts(open, action("useless"), action("checking"))).toEqual([]);
});

// Scaling was of no use and the restart then helped: that what both were against was the cause counted as wrong once.
it("is right of a cause that any remedy for it helped against, once for all of them", () => {
  const [useless, helped] = [action("useless", STOCK, 0.7), action("helped", STOCK, 0.9)];
  // As sure as it was when it was put to the test first.
  expect(judgeCauses(open, [useless, helped])).toEqual([{ actionId: useless.id, rawConfidence: 0.7, wasRight: true }]);
});

it("is wrong in the end of one that no remedy helped against, or another one's did instead", () => {
  expect(verdicts(over, action("useless"), { ...action("undone"), undoTaskId: "task" })).toEqual([false]);
  // Two may be at fault at once: before the end the first may still be repaired.
  expect(verdicts(open, action("useless"), action("helped", CART))).toEqual([true]);
  expect(verdicts(over, action("useless"), action("helped", CART))).toEqual([false, true]);
  expect(verdicts(over, action("failed"), action("helped", CART))).toEqual([false, true]);
});

it("waits for what nobody knows yet, and never judges what was not put to the test", () => {
  expect(verdicts(over, action("useless"), action("unknown"))).toEqual([]);
  expect(verdicts(over, action("useless"), action("acting"))).toEqual([]);
  expect(verdicts(over, action("failed"))).toEqual([]);
  expect(verdicts(over, action("useless", STOCK, null))).toEqual([]);
  expect(verdicts(over, { ...action("expired"), begunAtMs: null })).toEqual([]);
});

it("believes a person who says that nothing was wrong", () => {
  expect(verdicts(none, action("helped"))).toEqual([false]);
  expect(verdicts(none, action("unknown"), action("helped", CART))).toEqual([false, false]);
});

// A silence is of no use against any cause: each that it was an answer to was judged wrong in the end.
it("says nothing by what is not meant to repair", () => {
  const silence = { ...action("failed"), checkedSeries: [] };
  expect(verdicts(over, silence, action("helped", CART))).toEqual([true]);
});
