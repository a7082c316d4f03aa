import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type DecodedColumns,
  decodeBlock,
  encodeBlock,
  MAX_POINTS_PER_BLOCK,
  POINT_BLOCK_HEADER_BYTES,
  PointBlockError,
  readPointBlockHeader,
} from "./point-block.ts";

const EPOCH_2014 = Date.UTC(2014, 3, 1);

/** Columns drawn from several kinds of series: any doubles, decimals, decimals with rounding noise, and repeats. */
const points: fc.Arbitrary<DecodedColumns> = fc
  .tuple(
    fc.array(
      fc.record({
        gap: fc.oneof(
          fc.constant(300_000),
          fc.integer({ min: 1, max: 10_000_000 }),
          fc.integer({ min: 1, max: 2 ** 40 }),
        ),
        any: fc.double({ noNaN: true, noDefaultInfinity: true }),
        integer: fc.integer({ min: -100_000, max: 100_000 }),
        score: fc.integer({ min: 0, max: 1_000 }),
      }),
      { minLength: 1, maxLength: 80 },
    ),
    fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
    fc.constantFrom("any", "decimal", "noisy", "constant"),
    fc.integer({ min: 0, max: 12 }),
  )
  .map(([rows, start, kind, decimals]) => {
    let time = start;
    const toValue = ({ any, integer }: { any: number; integer: number }): number => {
      if (kind === "any") return any;
      if (kind === "constant") return rows[0]!.any;
      const decimal = integer / 10 ** decimals;
      return kind === "noisy" ? decimal * (1 + (integer % 5) * Number.EPSILON) : decimal;
    };
    return {
      timestampsMs: rows.map(({ gap }) => (time += gap)),
      values: rows.map(toValue),
      scores: rows.map(({ score }) => score / 1_000),
    };
  });

describe("point block", () => {
  it("gives back every bit", () => {
    fc.assert(
      fc.property(points, (columns) => {
        // toEqual tells -0 from 0, as the codec must.
        expect(decodeBlock(encodeBlock(columns))).toEqual(columns);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { name: "negative zero", values: [-0, 0, -0] },
    { name: "negative zero alone", values: [-0] },
    { name: "the smallest doubles", values: [5e-324, -5e-324, 0] },
    { name: "the largest doubles", values: [Number.MAX_VALUE, -Number.MAX_VALUE] },
    { name: "integers beyond 2^53", values: [2 ** 60, 2 ** 60 + 256, -(2 ** 60)] },
    { name: "both sides of zero", values: [-0.1, 0.1, -0.30000000000000004, 0] },
    { name: "both sides of a power of two", values: [1, 0.9999999999999999, 1.0000000000000002] },
  ])("keeps $name", ({ values }) => {
    const columns = { timestampsMs: values.map((_, i) => i), values, scores: values.map(() => 0) };
    expect(decodeBlock(encodeBlock(columns))).toEqual(columns);
  });

  it("keeps the widest times", () => {
    const timestampsMs = [-(2 ** 50), -(2 ** 50) + 1, 0, 2 ** 50];
    const columns = { timestampsMs, values: [1, 2, 3, 4], scores: [0, 0.001, 0.999, 1] };
    expect(decodeBlock(encodeBlock(columns))).toEqual(columns);
  });

  it("keeps a full block", () => {
    const values = Array.from({ length: MAX_POINTS_PER_BLOCK }, (_, i) => Math.sin(i));
    const columns = {
      timestampsMs: values.map((_, i) => i),
      values,
      scores: values.map((_, i) => (i % 1_001) / 1_000),
    };
    expect(decodeBlock(encodeBlock(columns))).toEqual(columns);
  });

  it("stores a regular series of decimals in few bytes", () => {
    const timestampsMs = Array.from({ length: 512 }, (_, i) => EPOCH_2014 + 300_000 * i);
    const values = timestampsMs.map((_, i) => Math.round(1_000 * Math.sin(i / 20)) / 100 + 20);
    const scores = timestampsMs.map((_, i) => (i % 50 === 0 ? 0.25 : 0));
    expect(encodeBlock({ timestampsMs, values, scores }).length / 512).toBeLessThan(2);
  });

  it("shows its span and count in the first bytes", () => {
    fc.assert(
      fc.property(points, (columns) => {
        const { timestampsMs } = columns;
        expect(readPointBlockHeader(encodeBlock(columns).subarray(0, POINT_BLOCK_HEADER_BYTES))).toEqual({
          version: 1,
          count: timestampsMs.length,
          firstMs: timestampsMs[0],
          lastMs: timestampsMs.at(-1),
        });
      }),
    );
  });

  it("reads a block that lies inside a larger buffer", () => {
    const block = encodeBlock({ timestampsMs: [1, 2], values: [0.5, 0.25], scores: [0, 1] });
    const larger = new Uint8Array(block.length + 10);
    larger.set(block, 3);
    expect(decodeBlock(larger.subarray(3, 3 + block.length)).values).toEqual([0.5, 0.25]);
  });

  describe("damage", () => {
    it("tells any changed byte", () => {
      fc.assert(
        fc.property(points, fc.nat(), fc.integer({ min: 1, max: 255 }), (columns, place, change) => {
          const block = encodeBlock(columns);
          block[place % block.length]! ^= change;
          expect(() => decodeBlock(block)).toThrow(PointBlockError);
        }),
        { numRuns: 500 },
      );
    });

    it("tells any cut and any addition", () => {
      fc.assert(
        fc.property(points, fc.nat(), (columns, place) => {
          const block = encodeBlock(columns);
          expect(() => decodeBlock(block.subarray(0, place % block.length))).toThrow(PointBlockError);
          expect(() => decodeBlock(Uint8Array.of(...block, place))).toThrow(PointBlockError);
        }),
      );
    });

    it("tells bytes that never were a block", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          expect(() => decodeBlock(bytes)).toThrow(PointBlockError);
        }),
      );
    });

    // A checksum keeps out accidents, not intent: whatever passes it must still end in points or in an error.
    it("never fails otherwise on a forged block", () => {
      const isPlausible = (block: Uint8Array) => {
        try {
          const { timestampsMs, values, scores } = decodeBlock(block);
          expect(timestampsMs.every((time, i) => i === 0 || time > timestampsMs[i - 1]!)).toBe(true);
          expect(values.every(Number.isFinite)).toBe(true);
          expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(PointBlockError);
        }
      };
      const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(points, edits, fc.boolean(), (columns, changes, uncompressed) => {
          const block = encodeBlock(columns);
          if (uncompressed) block[1]! &= ~1;
          for (const [place, byte] of changes) block[1 + (place % (block.length - 1))] = byte;
          isPlausible(sign(block));
        }),
        { numRuns: 2_000 },
      );
    });
  });

  it.each([
    [{ timestampsMs: [], values: [], scores: [] }, /1 to 65535 points, 0 were given/],
    [{ timestampsMs: [1, 2], values: [1], scores: [0] }, /differ in length: 2 timestamps, 1 values, 1 scores/],
    [{ timestampsMs: [1], values: [1], scores: [] }, /1 values, 0 scores/],
    [{ timestampsMs: [1.5], values: [1], scores: [0] }, /timestamp 1.5 of point 0/],
    [{ timestampsMs: [2 ** 51], values: [1], scores: [0] }, /within 2\^50/],
    [{ timestampsMs: [2, 2], values: [1, 1], scores: [0, 0] }, /timestamp 2 of point 1 is not after 2/],
    [{ timestampsMs: [1], values: [Number.NaN], scores: [0] }, /value NaN of point 0/],
    [{ timestampsMs: [1], values: [1], scores: [0.0005] }, /score 0.0005 of point 0/],
    [{ timestampsMs: [1], values: [1], scores: [1.001] }, /score 1.001/],
    [{ timestampsMs: [1], values: [1], scores: [Number.NaN] }, /score NaN/],
  ])("refuses to store %o", (columns, message) => {
    expect(() => encodeBlock(columns)).toThrow(RangeError);
    expect(() => encodeBlock(columns)).toThrow(message);
  });
});

function sign(block: Uint8Array): Uint8Array {
  const checksum = crc32(block.subarray(POINT_BLOCK_HEADER_BYTES), crc32(block.subarray(0, 20)));
  new DataView(block.buffer).setUint32(20, checksum, true);
  return block;
}
