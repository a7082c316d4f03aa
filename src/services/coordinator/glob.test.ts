import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { globPattern } from "./glob.ts";

describe("a glob", () => {
  it.each([
    ["shop-*", "shop-front", true],
    ["shop-*", "workshop-front", false],
    ["*/c?u", "host/cpu", true],
    ["*/c?u", "host/cu", false],
    ["host.cpu", "host/cpu", false],
    ["*", "", true],
    ["?", "", false],
    ["", "", true],
    ["a**b*", "a\nxb", true],
    ["*ab", "aab", true],
    ["[a]$^", "[a]$^", true],
  ])("%s on %j is %s", (glob, text, expected) => {
    expect(globPattern(glob).test(text)).toBe(expected);
  });

  // The pattern of a maintenance comes by the network: as a regular expression this one takes longer than anybody waits.
  it("ends, however many stars it has", () => {
    expect(globPattern(`${"*a".repeat(60)}b`).test("a".repeat(200))).toBe(false);
  });

  it("says what the regular expression it stands for says", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const globs = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 });
    fc.assert(
      fc.property(globs, letters, (glob, text) => {
        const expression = glob.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
        expect(globPattern(glob).test(text)).toBe(new RegExp(`^${expression}$`, "s").test(text));
      }),
    );
  });
});
