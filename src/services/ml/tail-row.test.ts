import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeTailRow, encodeTailRow } from "./tail-row.ts";

const point = fc.record({
  timestampMs: fc.integer({ min: 0, max: 1e15 }),
  value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  thousandths: fc.integer({ min: 0, max: 1_000 }),
});
const row = fc.record({
  cursor: fc.option(
    fc.string({ unit: "binary", maxLength: 50 }).map((text) => text.toWellFormed()),
    { nil: undefined },
  ),
  series: fc.array(
    fc
      .record({ number: fc.nat(), late: fc.nat(), points: fc.array(point, { maxLength: 20 }) })
      .map(({ number, late, points }) => ({
        number,
        late,
        timestampsMs: points.map((p) => p.timestampMs),
        values: points.map((p) => p.value),
        scores: points.map((p) => p.thousandths / 1_000),
      })),
    { maxLength: 5 },
  ),
});

test("what was acknowledged is read back to the bit", () => {
  fc.assert(
    fc.property(row, (given) => {
      expect(decodeTailRow(encodeTailRow(given))).toEqual(given);
    }),
  );
});

test("a damaged row is an error, never a hang or invented points", () => {
  fc.assert(
    fc.property(row, fc.nat(), (given, cut) => {
      const bytes = encodeTailRow(given);
      expect(() => decodeTailRow(bytes.subarray(0, cut % bytes.length))).toThrow("damaged");
    }),
  );
});
