import { expect, it } from "vitest";
import { asTyped } from "./command-name.ts";

// After `npm start` in a checkout there is no `seedcore` to type, so a hint that says so leads nowhere.
it("names the launcher as it was typed, and nothing else that looks like it", () => {
  expect(asTyped("  seedcore status   what runs", "bin/seedcore")).toBe("  bin/seedcore status   what runs");
  expect(asTyped("Start one: seedcore up", "bin/seedcore")).toBe("Start one: bin/seedcore up");
  expect(asTyped("see ~/.seedcore and bin/seedcore up", "x")).toBe("see ~/.seedcore and bin/seedcore up");
  expect(asTyped("seedcore up", undefined)).toBe("seedcore up");
});
