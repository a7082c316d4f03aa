import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defineContract } from "#core/contract.ts";
import { seededRandom } from "#core/random.ts";
import { shardOf } from "#core/shard.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeTopology, fakeReplica } from "#testing/fake-topology.ts";
import { ownerOf, type Replica } from "../topology.ts";
import { createBalancer } from "./balancer.ts";

const stateless = defineContract("svc", { summary: "", state: "none", procedures: {} });
const sharded = defineContract("svc", { summary: "", state: "sharded", procedures: {} });
const single = defineContract("svc", { summary: "", state: "single", procedures: {} });
const NOBODY: ReadonlySet<string> = new Set();

function rig(replicas: readonly Replica[], seed = 1) {
  const topology = createFakeTopology(replicas);
  const clock = createFakeClock();
  return { topology, clock, balancer: createBalancer(topology, clock, seededRandom(seed)) };
}

/** How often each replica is picked. */
function counts(pick: () => Replica | undefined, times = 3_000): Record<string, number> {
  const picked: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { id = "nobody" } = pick() ?? {};
    picked[id] = (picked[id] ?? 0) + 1;
  }
  return picked;
}

const weights = fc.array(fc.constantFrom(0, 0, 0.1, 1, 5), { minLength: 1, maxLength: 6 });

test("never picks a replica of weight 0, whatever the state, the key and who is avoided", () => {
  fc.assert(
    fc.property(weights, fc.string(), fc.integer(), fc.array(fc.nat(5)), (given, key, seed, avoided) => {
      const { balancer } = rig(
        given.map((weight, i) => fakeReplica(`r${i}`, "svc", "http://x", weight)),
        seed,
      );
      const avoid = new Set(avoided.map((i) => `r${i}`));
      for (const contract of [stateless, sharded, single]) {
        const picked = balancer.pick(contract, key, avoid);
        if (given.every((weight) => weight === 0)) expect(picked).toBeUndefined();
        else expect(picked?.weight).toBeGreaterThan(0);
      }
    }),
  );
});

describe("services without state", () => {
  const two = [fakeReplica("a", "svc", "http://a"), fakeReplica("b", "svc", "http://b")];

  test("a replica with calls of ours in flight gives way", () => {
    const { balancer } = rig(two);
    balancer.begin(two[0] as Replica);
    expect(counts(() => balancer.pick(stateless, undefined, NOBODY))).toEqual({ b: 3_000 });
  });

  test("one that stayed silent is left alone, but for one try after each five seconds, until it answers", async () => {
    const { balancer, clock } = rig(two);
    const [a, b] = two as [Replica, Replica];
    for (const replica of two) balancer.begin(replica);
    for (const replica of two) balancer.end(replica, "0/8");
    const pick = () => balancer.pick(stateless, undefined, NOBODY);
    balancer.silent(a);
    expect(counts(pick)).toEqual({ b: 3_000 });
    expect(balancer.pick(stateless, undefined, new Set(["b"]))).toBe(a);
    for (let waits = 0; waits < 2; waits++) {
      await clock.advance(5_000);
      expect(counts(pick)).toEqual({ a: 1, b: 2_999 });
    }
    balancer.begin(a);
    balancer.end(a, "0/8");
    expect(counts(pick)["a"]).toBeGreaterThan(1_000);
    balancer.silent(a);
    balancer.silent(b);
    expect(Object.keys(counts(pick)).toSorted()).toEqual(["a", "b"]);
  });

  test("a replica that reports others' calls gives way, until the report is old", async () => {
    const { balancer, clock } = rig(two);
    balancer.begin(two[0] as Replica);
    balancer.end(two[0] as Replica, "100/256");
    expect(counts(() => balancer.pick(stateless, undefined, NOBODY))).toEqual({ b: 3_000 });
    await clock.advance(5_000);
    expect(counts(() => balancer.pick(stateless, undefined, NOBODY)).a).toBeGreaterThan(1_000);
  });

  test("a report that is no load changes nothing", () => {
    const { balancer } = rig(two);
    for (const header of ["", "x", "1", "-1/5", "1/0", "/"]) {
      balancer.begin(two[0] as Replica);
      balancer.end(two[0] as Replica, header);
    }
    expect(counts(() => balancer.pick(stateless, undefined, NOBODY)).a).toBeGreaterThan(1_000);
  });

  test("among idle replicas traffic follows weight", () => {
    const three = [
      fakeReplica("small", "svc", "http://s", 1),
      fakeReplica("large", "svc", "http://l", 8),
      fakeReplica("other", "svc", "http://o", 1),
    ];
    const { balancer } = rig(three);
    const picked = counts(() => balancer.pick(stateless, undefined, NOBODY));
    expect(picked.large).toBeGreaterThan(2_000);
    expect(picked.small).toBeGreaterThan(100);
  });

  // A canary of 5 % would get half of all calls: it is idle whenever the old version has a call in flight.
  test("what is busy does not change the shares of different weights", () => {
    const old = fakeReplica("old", "svc", "http://o", 0.95);
    const { balancer } = rig([old, fakeReplica("new", "svc", "http://n", 0.05)]);
    for (let i = 0; i < 8; i++) balancer.begin(old);
    const { new: canary = 0 } = counts(() => balancer.pick(stateless, undefined, NOBODY));
    expect(canary).toBeGreaterThan(90);
    expect(canary).toBeLessThan(220);
  });

  // A version that answers everything with an error at once is always idle.
  test("what is busy does not change the shares of versions of the same weight either", () => {
    const old = fakeReplica("old", "svc", "http://o", 0.5);
    const { balancer } = rig([old, { ...fakeReplica("new", "svc", "http://n", 0.5), version: "2" }]);
    for (let i = 0; i < 8; i++) balancer.begin(old);
    const { new: canary = 0 } = counts(() => balancer.pick(stateless, undefined, NOBODY));
    expect(canary).toBeGreaterThan(1_300);
    expect(canary).toBeLessThan(1_700);
  });

  test("avoided replicas are asked again only when all are avoided", () => {
    const { balancer } = rig(two);
    expect(counts(() => balancer.pick(stateless, undefined, new Set(["a"])))).toEqual({ b: 3_000 });
    expect(balancer.hasFresh(stateless, undefined, new Set(["a"]))).toBe(true);
    expect(counts(() => balancer.pick(stateless, undefined, new Set(["a", "b"]))).a).toBeGreaterThan(1_000);
    expect(balancer.hasFresh(stateless, undefined, new Set(["a", "b"]))).toBe(false);
  });
});

describe("owned state", () => {
  const three = ["a", "b", "c"].map((id) => fakeReplica(id, "svc", `http://${id}`));

  test("every process with the same topology asks the same owner, avoided or not", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer(), (key, seed) => {
        const { balancer, topology } = rig(three, seed);
        const owner = ownerOf(topology.current(), sharded, shardOf(key));
        expect(balancer.pick(sharded, key, NOBODY)).toBe(owner);
        expect(balancer.pick(sharded, key, new Set([owner?.id ?? ""]))).toBe(owner);
        expect(balancer.pick(single, undefined, NOBODY)).toBe(ownerOf(topology.current(), single, 0));
      }),
    );
  });

  test("a procedure of a sharded service that names no shard may go anywhere", () => {
    const { balancer } = rig(three);
    expect(Object.keys(counts(() => balancer.pick(sharded, undefined, NOBODY))).sort()).toEqual(["a", "b", "c"]);
  });

  test("a changed topology counts at once", () => {
    const { balancer, topology } = rig(three);
    balancer.pick(stateless, undefined, NOBODY);
    topology.set([fakeReplica("new", "svc", "http://new")]);
    expect(balancer.pick(stateless, undefined, NOBODY)?.id).toBe("new");
    expect(balancer.pick(single, undefined, NOBODY)?.id).toBe("new");
    topology.set([]);
    expect(balancer.pick(stateless, undefined, NOBODY)).toBeUndefined();
  });
});
