import { expect, test } from "vitest";
import { CancellationBranch } from "./cancellation.ts";

test("a branch is cancelled with its parent, before or after it was made, and its listeners are told once", () => {
  const parent = new AbortController();
  const branch = new CancellationBranch(parent.signal);
  const told: unknown[] = [];
  const gone = () => told.push("gone");
  branch.addEventListener("abort", () => told.push(branch.reason));
  branch.addEventListener("abort", gone);
  branch.removeEventListener("abort", gone);
  parent.abort("left");
  branch.abort("too late");
  expect(told).toEqual(["left"]);
  expect(branch).toMatchObject({ aborted: true, reason: "left" });
  expect(new CancellationBranch(parent.signal)).toMatchObject({ aborted: true, reason: "left" });
});

test("cancelling a branch leaves the others, and a branch that let go is left alone", () => {
  const parent = new AbortController();
  const [one, other] = [new CancellationBranch(parent.signal), new CancellationBranch(parent.signal)];
  one.abort("answered");
  expect([one.aborted, other.aborted, parent.signal.aborted]).toEqual([true, false, false]);
  other.release();
  parent.abort("left");
  expect(other.aborted).toBe(false);
});
