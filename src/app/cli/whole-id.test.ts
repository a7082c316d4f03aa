import { expect, it } from "vitest";
import { usageError } from "./cli-error.ts";
import { toWholeId } from "./whole-id.ts";

const ids = ["act_1", "act_21", "act_321"];
const resolve = (given: string) => toWholeId(given, ids, { kind: "actions", list: "seedcore actions" });

it("takes an id as it is, or the end of one that fits no other", () => {
  expect(["act_21", "321", "_1"].map(resolve)).toEqual(["act_21", "act_321", "act_1"]);
  // Older than what is listed, perhaps: the service knows.
  expect(resolve("act_0")).toBe("act_0");
});

// `approve 21` approved whichever of them came first.
it("refuses an end that several have, and names them", () => {
  expect(() => resolve("21")).toThrow(
    usageError('"21" is the end of 2 actions: act_21, act_321.', "Give more of the id; list them: seedcore actions"),
  );
  const many = Array.from({ length: 30 }, (_, i) => `act_${i}x`);
  expect(() => toWholeId("x", many, { kind: "actions", list: "" })).toThrow(
    '"x" is the end of 30 actions: act_0x, act_1x, act_2x, act_3x, act_4x and 25 more.',
  );
});

// As of a variable that is empty: every id ends with nothing.
it("refuses an empty id", () => {
  expect(() => toWholeId("", ["act_1"], { kind: "actions", list: "" })).toThrow("The id is empty.");
});
