import fc from "fast-check";
import { expect, test } from "vitest";
import { SHARD_COUNT } from "#core/shard.ts";
import { fakeReplica } from "#testing/fake-topology.ts";
import { EMPTY_TOPOLOGY, ownerOf, type Replica } from "./topology.ts";

const contract = { name: "svc" };
const replica = (id: string, weight: number) => fakeReplica(id, "svc", "http://x", weight);
const ownersOf = (replicas: readonly Replica[], shards = SHARD_COUNT) => {
  const topology = { ...EMPTY_TOPOLOGY, replicas };
  return Array.from({ length: shards }, (_, shard) => ownerOf(topology, contract, shard)?.id);
};
const shareOf = (id: string, owners: readonly (string | undefined)[]) =>
  owners.filter((owner) => owner === id).length / owners.length;
const id = fc.uuid();

// With the hash times the weight, 5 against 95 owned 2.6 % and 25 against 75 owned 17 %.
test.each([1, 5, 25, 50, 75, 95])("a weight of %i in 100 owns that share of the shards", (percent) => {
  fc.assert(
    fc.property(id, id, (a, b) => {
      fc.pre(a !== b);
      const owners = ownersOf([replica(a, 1 - percent / 100), replica(b, percent / 100)], 4_000);
      const expected = percent / 100;
      // Five standard deviations: a right one is taken for wrong once in two million times.
      const tolerance = 5 * Math.sqrt((expected * (1 - expected)) / 4_000);
      expect(Math.abs(shareOf(b, owners) - expected)).toBeLessThan(tolerance);
    }),
    { numRuns: 25 },
  );
});

test("more weight for one moves shards to it alone, and back on the same way", () => {
  const weight = fc.integer({ min: 0, max: 100 });
  fc.assert(
    fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 4 }), weight, weight, (ids, from, to) => {
      fc.pre(from < to);
      const [canary = "", ...others] = ids;
      const at = (percent: number) =>
        ownersOf([replica(canary, percent / 100), ...others.map((other) => replica(other, 1 - percent / 100))]);
      const before = at(from);
      const after = at(to);
      for (const [shard, owner] of after.entries()) if (owner !== before[shard]) expect(owner).toBe(canary);
      expect(at(from)).toEqual(before);
    }),
  );
});

test("the order of the list does not matter, and a factor on all weights does not either", () => {
  fc.assert(
    fc.property(fc.uniqueArray(id, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (ids, factor) => {
      const replicas = ids.map((one, i) => replica(one, i + 1));
      const owners = ownersOf(replicas);
      expect(ownersOf(replicas.toReversed())).toEqual(owners);
      expect(ownersOf(replicas.map((one) => replica(one.id, one.weight * factor)))).toEqual(owners);
    }),
  );
});
