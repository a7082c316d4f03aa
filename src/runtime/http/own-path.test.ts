import { expect, test } from "vitest";
import { ownPathOf, probeOf } from "./own-path.ts";

// A probe that marks its requests (`?by=kubelet`) was refused by whoever compared the whole address.
test("an address is ours by its path, whatever its query says", () => {
  expect(["/-/load", "/-/load?x", "/-/load?/-/ready", "/ml/-/load", "/-", ""].map(ownPathOf)).toEqual([
    "/-/load",
    "/-/load",
    "/-/load",
    "",
    "",
    "",
  ]);
  expect(["/-/ready?x", "/-/health", "/-/health/x", "/ready", "/-/load"].map(probeOf)).toEqual([
    "ready",
    "health",
    undefined,
    undefined,
    undefined,
  ]);
});
