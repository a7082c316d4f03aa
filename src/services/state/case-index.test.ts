import fc from "fast-check";
import { expect, it } from "vitest";
import { CaseIndex } from "./case-index.ts";

it("puts the likest first, and what moves everywhere counts little", () => {
  const index = new CaseIndex();
  for (let i = 0; i < 50; i++) index.put(`noise${i}`, ["host/cpu:up", `other${i}/latency:up`]);
  index.put("stock", ["stock/latency:up", "front/latency:up"]);
  const found = index.recall(["stock/latency:up", "front/latency:up", "host/cpu:up"], 3, 0.3);
  expect(found.map(({ id }) => id)).toEqual(["stock"]);
  expect(index.recall(["stock/latency:up", "front/latency:up"], 1, 0)[0]).toEqual({ id: "stock", likeness: 1 });
});

// Asked at its first crossing, it was less than half like the case that had the same and what came of it.
it("is as like a case as its beginning, and what a case has not tells against it", () => {
  const index = new CaseIndex();
  index.put("whole", ["stock/errors:up", "cart/errors:up", "front/errors:up"]);
  const [young] = index.recall(["stock/errors:up"], 1, 0);
  const [other] = index.recall(["stock/errors:up", "pricing/errors:up", "cart/latency:up"], 1, 0);
  expect(young?.likeness).toBeCloseTo(0.5);
  expect(other?.likeness).toBeLessThan(0.3);
});

it("recalls what comparing with every case would", () => {
  const aName = fc.constantFrom("a", "b", "c", "d", "e");
  const aSignature = fc.array(aName, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(6), aSignature), { maxLength: 20 }), aSignature, (puts, wanted) => {
      const index = new CaseIndex();
      const all = new Map<string, Set<string>>();
      for (const [id, signature] of puts) {
        index.put(String(id), signature);
        all.set(String(id), new Set(signature));
      }
      const weight = (name: string) =>
        Math.log(1 + (1 + all.size) / (1 + [...all.values()].filter((names) => names.has(name)).length));
      const sum = (names: Iterable<string>) => [...names].sort().reduce((total, name) => total + weight(name), 0);
      const own = new Set(wanted);
      const expected = [...all]
        .map(([id, names]) => {
          const both = sum([...own].filter((name) => names.has(name)));
          return { id, likeness: Math.min(1, both / (sum(own) + (sum(names) - both) / 2)) };
        })
        .filter(({ likeness }) => likeness > 0)
        .sort((x, y) => y.likeness - x.likeness || (x.id < y.id ? -1 : 1));
      // To the last bit, in whatever order cases came: replicas must not differ in who is the likest.
      expect(index.recall(wanted, 100, 0)).toEqual(expected);
      expect(index.recall(wanted, 3, 0)).toEqual(expected.slice(0, 3));
    }),
  );
});
