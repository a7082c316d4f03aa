import { assert, property, uint8Array, integer } from "fast-check";
import { describe, expect, it } from "vitest";
import { createChunkJoiner, toChunks } from "./chunks.ts";

describe("chunks", () => {
  // A lost or doubled byte at a boundary would only show as a broken pickle, far from its cause.
  it("give back what was cut, whatever its size", () => {
    assert(
      property(uint8Array({ minLength: 1, maxLength: 200 }), integer({ min: 1, max: 50 }), (payload, chunkBytes) => {
        const joiner = createChunkJoiner();
        const chunks = [...toChunks(payload, chunkBytes)];
        const results = chunks.map((chunk) => joiner.add({ ...chunk, totalSize: BigInt(payload.length) }));
        expect(chunks.map(({ data }) => data.length > 0 && data.length <= chunkBytes)).not.toContain(false);
        expect(results.slice(0, -1).every((result) => result === undefined)).toBe(true);
        expect(Buffer.from(results.at(-1) ?? [])).toEqual(Buffer.from(payload));
      }),
    );
  });

  it("refuse an empty payload, which Ray would wait on for ever", () => {
    expect(() => [...toChunks(new Uint8Array())]).toThrow(RangeError);
  });

  it("notice a chunk that is missing, doubled or of another size", () => {
    const part = (chunkId: number) => ({ data: new Uint8Array(2), chunkId, totalChunks: 3, totalSize: 6n });
    const missing = createChunkJoiner();
    missing.add(part(0));
    expect(() => missing.add(part(2))).toThrow("Expected chunk 1 of 3, got chunk 2.");
    const doubled = createChunkJoiner();
    doubled.add(part(0));
    expect(() => doubled.add(part(0))).toThrow("got chunk 0");
    const short = createChunkJoiner();
    expect(() => short.add({ ...part(0), totalChunks: 1 })).toThrow("Expected 6 bytes, got 2.");
  });
});
