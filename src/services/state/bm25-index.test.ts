import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Bm25Index } from "./bm25-index.ts";
import { smooth } from "./capability.ts";
import { tokenize } from "./tokenize.ts";

describe("words", () => {
  it("cuts names of series and services, and takes accents for nothing", () => {
    expect(tokenize("host/cpuLoad.user_5 Größe café")).toEqual(["host", "cpu", "load", "user", "5", "große", "cafe"]);
  });
});

describe("BM25", () => {
  // By hand: N = 2, mean length 2.5; "cpu" is in both (idf ln 1.2), "disk" in the first alone (idf ln 2).
  it("scores as its formula says", () => {
    const index = new Bm25Index();
    index.put("a", "incident", "cpu disk");
    index.put("b", "incident", "cpu cpu load");
    const hits = index.search("disk cpu", undefined, 10);
    const damping = (length: number) => 1.2 * (0.25 + (0.75 * length) / 2.5);
    const cpu = (count: number, length: number) => (Math.log(1.2) * count * 2.2) / (count + damping(length));
    expect(hits.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(hits[0]?.relevance).toBeCloseTo((Math.log(2) * 2.2) / (1 + damping(2)) + cpu(1, 2), 12);
    expect(hits[1]?.relevance).toBeCloseTo(cpu(2, 3), 12);
  });

  it("finds by kind, and nothing that shares no word", () => {
    const index = new Bm25Index();
    index.put("a", "incident", "cpu");
    index.put("b", "note", "cpu");
    expect(index.search("cpu", "note", 10).map(({ id }) => id)).toEqual(["b"]);
    expect(index.search("memory", undefined, 10)).toEqual([]);
  });

  // An index that was changed for a while must not drift from one that is built anew at the next start.
  it("is after any changes what it would be if built from what is left", () => {
    const text = fc
      .array(fc.constantFrom("cpu", "load", "disk", "host", "slow"), { maxLength: 6 })
      .map((w) => w.join(" "));
    const id = fc.constantFrom("a", "b", "c", "d");
    const change = fc.tuple(id, fc.option(text));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), text, (changes, query) => {
        const index = new Bm25Index();
        const left = new Map<string, string>();
        for (const [key, value] of changes) {
          left.delete(key);
          if (value === null) index.remove(key);
          else {
            index.put(key, "k", value);
            left.set(key, value);
          }
        }
        const fresh = new Bm25Index();
        for (const [key, value] of left) fresh.put(key, "k", value);
        expect(index.search(query, undefined, 10)).toEqual(fresh.search(query, undefined, 10));
      }),
    );
  });
});

it("smooths a batch to the mean of its outcomes, and stays between 0 and 1", () => {
  const one = smooth(1, 0);
  expect(0.5 * one.keep + one.gain).toBeCloseTo(0.55, 12);
  expect(smooth(0, 0)).toEqual({ keep: 1, gain: 0, initial: 0.5 });
  fc.assert(
    fc.property(fc.nat(1_000), fc.nat(1_000), fc.double({ min: 0, max: 1, noNaN: true }), (good, bad, before) => {
      const { keep, gain } = smooth(good, bad);
      const after = before * keep + gain;
      expect(after).toBeGreaterThanOrEqual(0);
      expect(after).toBeLessThanOrEqual(1 + 1e-12);
    }),
  );
});
