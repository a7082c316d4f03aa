import { expect, it } from "vitest";
import { toUrlHost } from "./listen.ts";

it("is known to others by an address, not by the one that stands for all", () => {
  expect(["0.0.0.0", "::", "10.0.0.7", "fd00::1", "localhost"].map(toUrlHost)).toEqual([
    "127.0.0.1",
    "[::1]",
    "10.0.0.7",
    "[fd00::1]",
    "localhost",
  ]);
});
