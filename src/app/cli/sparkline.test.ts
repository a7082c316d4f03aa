import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sparkline } from "./sparkline.ts";

describe("sparkline", () => {
  it.each([
    [[0, 1, 2, 3, 4, 5, 6, 7], 20, "▁▂▃▄▅▆▇█"],
    [[5, 5, 5], 3, "▄▄▄"],
    [[1, Number.NaN, 2], 3, "▁ █"],
    [[1], 1, "▄"],
    [[], 10, ""],
    [[Number.NaN, Number.NaN], 10, "  "],
    [[0, 0, 0, 9, 0, 0, 0, 0], 4, "▁█▁▁"],
    [[5, 5, 5, 0, 5, 6, 5, 5], 4, "▇▁█▇"],
    [[-Number.MAX_VALUE, 0, Number.MAX_VALUE], 3, "▁▅█"],
    [[0, Number.MIN_VALUE], 2, "▄▄"],
  ])("draws %j in %d as %j", (values, width, line) => {
    expect(sparkline(values, width)).toBe(line);
  });

  it("has an ASCII form", () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, "ascii")).toBe("_.-~=+*#");
  });

  it("is as wide as the values or the width, whichever is less", () => {
    fc.assert(
      fc.property(fc.array(fc.double()), fc.integer({ min: 1, max: 50 }), (values, width) => {
        expect(sparkline(values, width)).toHaveLength(Math.min(width, values.length));
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses a width of %d", (width) => {
    expect(() => sparkline([1], width)).toThrow(RangeError);
  });
});
