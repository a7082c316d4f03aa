import { expect, it } from "vitest";
import type { Action } from "#contracts/action.ts";
import { toWouldHaveDone } from "./would-have-done.ts";

const action = (incidentId: string, more: Partial<Action> = {}) =>
  ({
    incidentId,
    rule: "restart",
    skill: "restart-host",
    target: "cart",
    state: "observed",
    wouldBegin: (more.state ?? "observed") === "observed",
    createdAtMs: 1,
    ...more,
  }) as Action;

// Who switches to act by this report must not be told that an incident ended by itself which somebody ended.
it("sums up what would have been done, and tells what ended by itself from what was treated", () => {
  const actions = [
    action("inc_5", { createdAtMs: 9 }),
    action("inc_4", { target: "stock" }),
    action("inc_3"),
    action("inc_2"),
    action("inc_2", { rule: "other", state: "helped" }),
    action("inc_1"),
    action("inc_1", { rule: "tell", skill: "notify", target: "", state: "acting" }),
  ];
  const states = new Map(
    [
      ["inc_1", "resolved"],
      ["inc_2", "resolved"],
      ["inc_3", "open"],
      ["inc_4", "resolved"],
    ].map(([id = "", state]) => [id, { state: state as "open" | "resolved" }]),
  );
  expect(toWouldHaveDone(actions, states)).toEqual([
    {
      rule: "restart",
      skill: "restart-host",
      target: "cart",
      times: 4,
      endedByThemselves: 1,
      stillOpen: 1,
      lastAtMs: 9,
      incidents: ["inc_5", "inc_3", "inc_2"],
    },
    expect.objectContaining({ target: "stock", times: 1, endedByThemselves: 1, stillOpen: 0 }),
  ]);
  expect(toWouldHaveDone([action("inc_9", { state: "helped" })], states)).toEqual([]);
});

// Maintenance would have held it back in the mode act, too.
it("leaves out what something else than its mode kept from being done", () => {
  expect(toWouldHaveDone([action("inc_1", { wouldBegin: false })], new Map())).toEqual([]);
});
