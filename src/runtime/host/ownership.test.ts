import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { StateKind } from "#core/contract.ts";
import type { Service } from "#runtime/service.ts";
import type { Topology } from "#runtime/topology.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createOwnership } from "./ownership.ts";
import { createTopologyHolder } from "./topology-holder.ts";

let version = 0;

function topologyOf(ids: readonly string[], state: Topology["state"] = "settled"): Topology {
  return {
    version: ++version,
    epoch: "e",
    state,
    replicas: ids.map((id) => ({
      id,
      host: "h",
      version: "1",
      address: `http://${id}`,
      services: ["ledger"],
      weight: 1,
    })),
  };
}

/** The database's side: an epoch per shard, raised by each claim. */
function fakeEpochs() {
  const epochs = new Map<number, number>();
  return {
    epochs,
    claims: 0,
    failing: false,
    async claim(_service: Service, shards: readonly number[]) {
      this.claims++;
      if (this.failing) throw new Error("the database is locked");
      return new Map(
        shards.map((shard) => {
          epochs.set(shard, (epochs.get(shard) ?? 0) + 1);
          return [shard, epochs.get(shard) ?? 0];
        }),
      );
    },
  };
}

function setUp(
  replicaId: string,
  database: ReturnType<typeof fakeEpochs>,
  first: Topology,
  state: StateKind = "single",
) {
  const clock = createFakeClock();
  const log = createMemoryLogger();
  const holder = createTopologyHolder(first);
  const told: (readonly [number, number][])[] = [];
  const service = {
    contract: { name: "ledger", summary: "", state, procedures: {} },
    handlers: {},
    owned: async (shards: ReadonlyMap<number, number>) => void told.push([...shards]),
  } as unknown as Service;
  const ownership = createOwnership({
    clock,
    log,
    topology: holder,
    replicaId,
    claim: (...claimed) => database.claim(...claimed),
  });
  return { clock, log, holder, told, service, ownership };
}

test("a shard is open only after it was claimed and the service knows", async () => {
  const { ownership, service, told } = setUp("a", fakeEpochs(), topologyOf(["a"]));
  ownership.start(service);
  expect(ownership.epochOf("ledger", 0)).toBeUndefined();
  await turn();
  expect(told).toEqual([[[0, 1]]]);
  expect(ownership.epochOf("ledger", 0)).toBe(1);
});

test("a shard the topology gives to another is closed at once, and the service is told", async () => {
  const { ownership, service, told, holder } = setUp("a", fakeEpochs(), topologyOf(["a"]));
  ownership.start(service);
  await turn();
  holder.set(topologyOf(["b"]));
  expect(ownership.epochOf("ledger", 0)).toBeUndefined();
  await turn();
  expect(told.at(-1)).toEqual([]);
});

test("a topology that is still settling moves nothing", async () => {
  const { ownership, service, holder } = setUp("a", fakeEpochs(), topologyOf(["a"]));
  ownership.start(service);
  await turn();
  holder.set(topologyOf([], "settling"));
  expect(ownership.epochOf("ledger", 0)).toBe(1);
});

test("a database that cannot be written delays the claim; it is tried again until it succeeds", async () => {
  const database = fakeEpochs();
  database.failing = true;
  const { ownership, service, clock, log } = setUp("a", database, topologyOf(["a"]));
  ownership.start(service);
  await clock.advance(1_000);
  expect(ownership.epochOf("ledger", 0)).toBeUndefined();
  expect(log.lines.length).toBeGreaterThan(1);
  // Callers are told: "not the owner" alone would send them looking for one.
  expect(ownership.failure("ledger")).toBe("the database is locked");
  database.failing = false;
  await clock.advance(5_000);
  expect(ownership.epochOf("ledger", 0)).toBe(1);
  expect(ownership.failure("ledger")).toBeUndefined();
});

test("a refused write gives the shard up and claims it anew: an owner does not stay stale for ever", async () => {
  const database = fakeEpochs();
  const { ownership, service, clock } = setUp("a", database, topologyOf(["a"]));
  ownership.start(service);
  await turn();
  database.epochs.set(0, 5);
  ownership.refused("ledger", 0, 1);
  expect(ownership.epochOf("ledger", 0)).toBeUndefined();
  await clock.advance(250);
  expect(ownership.epochOf("ledger", 0)).toBe(6);
  // A late echo of the old epoch changes nothing.
  ownership.refused("ledger", 0, 1);
  expect(ownership.epochOf("ledger", 0)).toBe(6);
});

test("a refused write does not take the shard back before the topology that explains it arrives", async () => {
  const database = fakeEpochs();
  const { ownership, service, clock, holder } = setUp("a", database, topologyOf(["a"]));
  ownership.start(service);
  await turn();
  ownership.refused("ledger", 0, 1);
  await clock.advance(100);
  holder.set(topologyOf(["b"]));
  await clock.advance(1_000);
  expect(database.claims).toBe(1);
});

test("after any changes of membership each shard is open in exactly one replica, a present one", async () => {
  const members = fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(members, fc.boolean()), { minLength: 1, maxLength: 8 }), async (changes) => {
      const database = fakeEpochs();
      const first = topologyOf(["a"]);
      const replicas = ["a", "b", "c"].map((id) => ({ id, ...setUp(id, database, first, "sharded") }));
      for (const { ownership, service } of replicas) ownership.start(service);
      let present: readonly string[] = ["a"];
      for (const [ids, settles] of changes) {
        const topology = topologyOf(ids);
        for (const { holder } of replicas) {
          holder.set(topology);
          // Some hear of it later than others.
          if (settles) await turn();
        }
        present = ids;
      }
      for (let i = 0; i < 20; i++) await turn();
      for (let shard = 0; shard < 256; shard++) {
        const open = replicas.filter(({ ownership }) => ownership.epochOf("ledger", shard) !== undefined);
        expect(open).toHaveLength(1);
        expect(present).toContain(open[0]?.id);
      }
      for (const { ownership } of replicas) ownership.close();
    }),
    { numRuns: 20 },
  );
});
