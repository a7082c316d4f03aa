import { expect, it } from "vitest";
import type { RecalledCase } from "#contracts/cognitive.ts";
import type { Action } from "#contracts/action.ts";
import { actionDecided, changed, recalled } from "./story.ts";

const CASE = { id: "inc_1", likeness: 0.8, action: { skill: "restart-host", target: "cart" } } as RecalledCase;

// What failed, or nobody knew the outcome of, was told as if it had been of no use.
it.each([
  [true, "In the nearest restart-host of cart helped."],
  [false, "In the nearest restart-host of cart did not help."],
  [null, "In the nearest restart-host of cart failed, or nobody knows whether it helped."],
])("says of a like case in which what was done helped: %s", (helped, text) => {
  expect(recalled([{ ...CASE, helped }], 0).text).toBe(`Alike: inc_1 (80 %). ${text}`);
});

// A deploy of six minutes before stood in the story as if it had been when the incident began.
it("says when a change was that is told later", () => {
  const change = { id: "c", kind: "deploy", target: "cart", summary: "It was deployed.", atMs: 60_000, data: {} };
  expect(changed(change, 61_000).text).toBe("deploy of cart: It was deployed.");
  expect(changed(change, 360_000).text).toBe("deploy of cart at 1970-01-01T00:01:00.000Z: It was deployed.");
});

// "Would have been done. There is maintenance …" read as if it would have been done all the same.
it("says that something would have been done only where nothing but its mode kept it from that", () => {
  const action = {
    rule: "restart",
    skill: "restart-host",
    target: "cart",
    state: "observed",
    decidedBy: null,
  } as Action;
  const textOf = (more: Partial<Action>) => actionDecided({ ...action, ...more }, 0).text;
  expect(textOf({ wouldBegin: true, reason: "The mode is observe." })).toBe(
    'Rule "restart": restart-host of cart would have been done. The mode is observe.',
  );
  expect(textOf({ wouldBegin: false, reason: "There is maintenance of * (mnt_1)." })).toBe(
    'Rule "restart": restart-host of cart is not done. There is maintenance of * (mnt_1).',
  );
});

// How likely it was to help, by which cases, and what else there was, was known when it was decided, and told to nobody.
it("says why something was decided for, once", () => {
  const reasoning = "restart-host of cart: helped 1 of 1 times (inc_1), 72 % to help, ΔE -1.44 expected.";
  const action = { rule: "restart", skill: "restart-host", target: "cart", reasoning } as Action;
  const textOf = (state: Action["state"], decidedBy: string | null, reason: string) =>
    actionDecided({ ...action, state, decidedBy, reason }, 0).text;
  expect(textOf("acting", null, "It is being done.")).toBe(`Rule "restart" decides for ${reasoning}`);
  expect(textOf("proposed", null, "A person must approve it.")).toBe(
    `Rule "restart": restart-host of cart waits for a person. A person must approve it. ${reasoning}`,
  );
  expect(textOf("acting", "ada", "Approved by ada.")).not.toContain("72 %");
  expect(textOf("expired", null, "Nobody approved it in time.")).not.toContain("72 %");
});

// All that was decided on stood under "approved": a rejection, a proposal that nobody saw, an action that was never done.
it.each([
  ["acting", "ada", "approved"],
  ["rejected", "ada", "rejected"],
  ["expired", null, "expired"],
  ["failed", "ada", "note"],
  ["proposed", null, "proposed"],
  ["acting", null, "decided"],
] as const)("tells what is %s (by %s) as %s", (state, decidedBy, kind) => {
  expect(actionDecided({ rule: "r", skill: "restart-host", target: "cart", state, decidedBy } as Action, 0).kind).toBe(
    kind,
  );
});
