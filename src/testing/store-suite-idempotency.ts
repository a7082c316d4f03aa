import fc from "fast-check";
import { CompiledQuery } from "kysely";
import { expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import {
  createIdempotencyStore,
  type IdempotencyStore,
  idempotencySchema,
  KEY_KEPT_MS,
  type ReservedRun,
} from "#runtime/host/idempotency.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import type { StoreRig } from "./store-suite.ts";

const KEY = { caller: "anna", procedure: "coordinator.submit", key: "k1" };

export function describeIdempotency(rig: StoreRig): void {
  const create = async (replicaId = "core/0@1", alive: ReadonlySet<string> = new Set(), clock = createFakeClock()) => {
    const db = await rig.open([idempotencySchema]);
    return { db, clock, store: createIdempotencyStore({ db, clock, replicaId, isAlive: (id) => alive.has(id) }) };
  };
  const reserveNew = async (store: IdempotencyStore, key = KEY): Promise<ReservedRun> => {
    const reservation = await store.reserve(key, "h");
    if (reservation.state !== "new") throw new Error("The key was not new.");
    return reservation.run;
  };

  it("stores the answer in the handler's own write, or not at all", async () => {
    const { db, store } = await create();
    const run = await reserveNew(store);
    const refusing = { query: CompiledQuery.raw("delete from idempotency_keys where caller = ''"), expectRows: 1 };
    await expect(db.write([run.storeAnswer({ id: 1 }), refusing])).rejects.toThrow(/expected/);
    await expect(store.reserve(KEY, "h")).rejects.toMatchObject({ code: "KEY_IN_PROGRESS" });
    await db.write([run.storeAnswer({ id: 2 })]);
    expect(await store.reserve(KEY, "h")).toEqual({ state: "done", answer: { id: 2 } });
    await run.complete({ id: 3 });
    expect(await store.reserve(KEY, "h")).toEqual({ state: "done", answer: { id: 2 } });
  });

  it("keeps callers and procedures apart", async () => {
    const { store } = await create();
    await (await reserveNew(store)).complete(1);
    await reserveNew(store, { ...KEY, caller: "bob" });
    await reserveNew(store, { ...KEY, procedure: "organism.execute" });
  });

  it("lets one of many that come at once do the work", async () => {
    const { store } = await create();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => store.reserve(KEY, "h")));
    expect(outcomes.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    for (const one of outcomes) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "KEY_IN_PROGRESS" });
    }
  });

  it("repeats a refusal by the work itself", async () => {
    const { store } = await create();
    await (await reserveNew(store)).fail(new ServiceError("UNKNOWN_SERIES", "no series x", { data: { name: "x" } }));
    await expect(store.reserve(KEY, "h")).rejects.toMatchObject({
      code: "UNKNOWN_SERIES",
      status: 422,
      message: "no series x",
      data: { name: "x" },
    });
  });

  // The disk fills up between the effect and its answer: neither a retry nor a repeat may do the work again.
  it("tells a repeat that the outcome is unknown when it could not be stored", async () => {
    const { db, clock } = await create();
    let broken = false;
    const failing: Database = {
      dialect: db.dialect,
      statementCount: 0,
      read: (query) => db.read(query),
      write: (statements) =>
        broken ? Promise.reject(new ServiceError("STORAGE", "the disk is full")) : db.write(statements),
      close: async () => {},
    };
    const store = createIdempotencyStore({ db: failing, clock, replicaId: "core/0@1", isAlive: () => false });
    const [done, failed] = [await reserveNew(store), await reserveNew(store, { ...KEY, key: "k2" })];
    broken = true;
    await expect(done.complete(1)).rejects.toMatchObject({ code: "STORAGE", started: "yes" });
    await failed.fail(new ServiceError("INTERNAL", "half done"));
    broken = false;
    await expect(store.reserve(KEY, "h")).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    await expect(store.reserve({ ...KEY, key: "k2" }, "h")).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });

  it("deletes expired keys, once an hour, with reservations, and not all of very many at once", async () => {
    const { db, store, clock } = await create();
    const count = async () => (await db.read(CompiledQuery.raw("select key from idempotency_keys"))).length;
    await reserveNew(store, { ...KEY, key: "first" });
    await clock.advance(1_000);
    const keys = Array.from({ length: 1_500 }, (_, i) => ({ ...KEY, key: `old${i}` }));
    await Promise.all(keys.map((key) => reserveNew(store, key)));
    await clock.advance(KEY_KEPT_MS + 1);
    const counts: number[] = [];
    for (const key of ["a", "b", "c"]) {
      await reserveNew(store, { ...KEY, key });
      counts.push(await count());
    }
    expect(counts).toEqual([502, 2, 3]);
  });

  // The promise: whatever is killed and repeated in whatever order, the work behind a key starts at most once per life.
  it("follows its state machine under any sequence of calls, failures, crashes and time", async () => {
    const event = fc.oneof(
      fc.record({ type: fc.constant("reserve" as const), replica: fc.nat(1), body: fc.constantFrom("h", "other") }),
      fc.record({ type: fc.constant("complete" as const) }),
      fc.record({
        type: fc.constant("fail" as const),
        started: fc.constantFrom("no" as const, "maybe" as const, "yes" as const),
      }),
      fc.record({ type: fc.constant("crash" as const) }),
      fc.record({
        type: fc.constant("advance" as const),
        ms: fc.constantFrom(1_000, KEY_KEPT_MS - 5_000, KEY_KEPT_MS + 1),
      }),
    );
    const clock: FakeClock = createFakeClock();
    const db = await rig.open([idempotencySchema]);
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
        const key = { ...KEY, key: `round${++round}` };
        const alive = new Set<string>();
        const incarnations = [0, 0];
        const open = (slot: number) => {
          const replicaId = `core/${slot}@${round}.${incarnations[slot]}`;
          alive.add(replicaId);
          return { replicaId, store: createIdempotencyStore({ db, clock, replicaId, isAlive: (id) => alive.has(id) }) };
        };
        const replicas = [open(0), open(1)];
        let model = { state: "free" } as Model;
        let run: ReservedRun | undefined;
        for (const one of events) {
          if (model.state !== "free" && clock.now() - model.sinceMs > KEY_KEPT_MS) model = { state: "free" };
          switch (one.type) {
            case "reserve": {
              const expected = expectedOf(model, one.body);
              const got = await replicas[one.replica]?.store.reserve(key, one.body).then(
                (reservation) => reservation,
                (error: unknown) => error,
              );
              if (expected === "new") {
                expect(got).toMatchObject({ state: "new" });
                run = (got as { run: ReservedRun }).run;
                model = { state: "running", sinceMs: clock.now(), body: one.body, slot: one.replica };
              } else expect(got).toMatchObject(expected);
              break;
            }
            case "complete":
              if (model.state !== "running") break;
              await run?.complete({ round });
              model = { ...model, state: "done", outcome: { state: "done", answer: { round } } };
              break;
            case "fail":
              if (model.state !== "running") break;
              await run?.fail(new ServiceError("CONFLICT", "no", { started: one.started }));
              if (one.started === "no") model = { state: "free" };
              else if (one.started === "yes") model = { ...model, state: "done", outcome: { code: "CONFLICT" } };
              else model = { ...model, state: "unknown" };
              break;
            case "crash":
              if (model.state !== "running") break;
              alive.delete(replicas[model.slot]?.replicaId ?? "");
              incarnations[model.slot] = (incarnations[model.slot] ?? 0) + 1;
              replicas[model.slot] = open(model.slot);
              model = { ...model, state: "unknown" };
              break;
            case "advance":
              // A call lives minutes at most, a key a day: no run is still alive when its key expires.
              if (model.state !== "running") await clock.advance(one.ms);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
}

interface Used {
  readonly sinceMs: number;
  readonly body: string;
  readonly slot: number;
}

type Model =
  | { readonly state: "free" }
  | ({ readonly state: "running" | "unknown" } & Used)
  | ({ readonly state: "done"; readonly outcome: object } & Used);

function expectedOf(model: Model, body: string): "new" | object {
  if (model.state === "free") return "new";
  if (model.body !== body) return { code: "KEY_REUSED" };
  switch (model.state) {
    case "running":
      return { code: "KEY_IN_PROGRESS" };
    case "unknown":
      return { code: "OUTCOME_UNKNOWN" };
    case "done":
      return model.outcome;
  }
}
