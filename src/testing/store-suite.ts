/** What every implementation of `Database` must do, and what is built on it must do on each. */
import fc from "fast-check";
import { CompiledQuery } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { columnTypes, createBuilder } from "#runtime/storage/builder.ts";
import { type Database, expecting, WriteRefused } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import { createFakeClock } from "./fake-clock.ts";
import { describeDesiredState } from "./store-suite-desired-state.ts";
import { describeIdempotency } from "./store-suite-idempotency.ts";
import { describeOutbox } from "./store-suite-outbox.ts";
import { describeShardEpochs } from "./store-suite-shard-epochs.ts";

/** An empty database that several handles can share, as several processes do. */
export interface StorePlace {
  /** A further handle; the suite closes it. */
  open(): Promise<Database>;
  /** Removes the database after all handles are closed. */
  remove(): Promise<void>;
}

/** Opens handles on one fresh place per test, and closes them after it. */
export interface StoreRig {
  open(schemas?: readonly Schema[]): Promise<Database>;
}

/** Registers the suite. @param createPlace makes a fresh, empty database */
export function describeStore(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(name, () => {
    let place: StorePlace;
    let opened: Database[] = [];
    const rig: StoreRig = {
      async open(schemas = []) {
        const db = await place.open();
        opened.push(db);
        await migrate(db, schemas, createFakeClock());
        return db;
      },
    };
    beforeEach(async () => {
      place = await createPlace();
    });
    afterEach(async () => {
      for (const db of opened) await db.close();
      opened = [];
      await place.remove();
    });
    describe("database", () => describeDatabase(rig));
    describe("migrate", () => describeMigrate(rig));
    describe("outbox", () => describeOutbox(rig));
    describe("shard epochs", () => describeShardEpochs(rig));
    describe("desired state", () => describeDesiredState(rig));
    describe("idempotency keys", () => describeIdempotency(rig));
  });
}

interface Tables {
  items: { id: number; number: number | null; text: string | null; bytes: Uint8Array | null };
}

const itemsSchema: Schema = {
  owner: "items",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema
          .createTable("items")
          .addColumn("id", "bigint", (column) => column.primaryKey())
          .addColumn("number", "double precision")
          .addColumn("text", "text")
          .addColumn("bytes", columnTypes(builder).bytes)
          .compile(),
      ],
    },
  ],
};

function describeDatabase(rig: StoreRig): void {
  const q = (db: Database) => createBuilder<Tables>(db.dialect);
  const item = (db: Database, id: number, text: string | null = null) =>
    q(db).insertInto("items").values({ id, text, number: null, bytes: null }).compile();
  const rename = (db: Database, id: number, text: string) =>
    q(db).updateTable("items").set({ text }).where("id", "=", id).compile();
  const all = async (db: Database) => {
    const rows = await db.read(q(db).selectFrom("items").select(["id", "text"]).orderBy("id").compile());
    return Object.fromEntries(rows.map((row) => [row.id, row.text]));
  };

  // A value that comes back changed corrupts silently: times beyond 2^31, surrogate pairs, empty and binary bytes, null.
  it("gives back every value as it was written", async () => {
    const db = await rig.open([itemsSchema]);
    let id = 0;
    const text = fc.option(fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0")));
    const value = fc.record({
      number: fc.option(fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))),
      text,
      bytes: fc.option(fc.uint8Array({ maxLength: 2_000 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
        const rows = values.map((one) => ({ id: ++id, ...one, number: one.number === 0 ? 0 : one.number }));
        await Promise.all(rows.map((row) => db.write([q(db).insertInto("items").values(row).compile()])));
        const ids = rows.map((row) => row.id);
        const found = q(db).selectFrom("items").selectAll().where("id", "in", ids).orderBy("id").compile();
        expect(await db.read(found)).toEqual(rows);
      }),
      { numRuns: 50 },
    );
  });

  it("keeps whole numbers up to 2^53 whole, as times and epochs need", async () => {
    const db = await rig.open([itemsSchema]);
    const id = Number.MAX_SAFE_INTEGER;
    await db.write([item(db, id)]);
    expect(await all(db)).toEqual({ [id]: null });
  });

  // The caller's buffer may be a small view of a shared pool, and is the caller's to go on using.
  it("copies bytes out of a pool and leaves the caller's buffer alone", async () => {
    const db = await rig.open([itemsSchema]);
    const bytes = Buffer.from("pooled bytes");
    const writing = db.write([q(db).insertInto("items").values({ id: 1, number: null, text: null, bytes }).compile()]);
    expect(bytes.toString()).toBe("pooled bytes");
    await writing;
    bytes.fill(0);
    const [row] = await db.read(q(db).selectFrom("items").select("bytes").compile());
    expect(Buffer.from(row?.bytes ?? []).toString()).toBe("pooled bytes");
  });

  it("refuses parameters that no database keeps as they are", async () => {
    const db = await rig.open([itemsSchema]);
    for (const bad of [Number.NaN, undefined, new Date(), { a: 1 }]) {
      await expect(db.write([CompiledQuery.raw("select ?", [bad])])).rejects.toThrow(TypeError);
    }
  });

  // PostgreSQL has no such character. A text that one database takes and another does not would be a trap for later.
  it("refuses a text with the character U+0000, as a mistake of who sent it", async () => {
    const db = await rig.open([itemsSchema]);
    await expect(db.write([item(db, 1, "a\0b")])).rejects.toMatchObject({ code: "INVALID_INPUT", started: "no" });
    expect(await all(db)).toEqual({});
  });

  it("reports rows changed and rows returned", async () => {
    const db = await rig.open([itemsSchema]);
    const results = await db.write([
      q(db)
        .insertInto("items")
        .values([1, 2, 3].map((id) => ({ id, number: null, text: "x", bytes: null })))
        .compile(),
      q(db).updateTable("items").set({ text: "y" }).where("id", ">", 1).returning(["id", "text"]).compile(),
      q(db).selectFrom("items").select("id").where("text", "=", "x").compile(),
      q(db).deleteFrom("items").where("id", "=", 9).compile(),
    ]);
    expect(results.map((result) => result.rowCount)).toEqual([3, 2, 1, 0]);
    expect(results[1]?.rows).toEqual([
      { id: 2, text: "y" },
      { id: 3, text: "y" },
    ]);
    expect(results[2]?.rows).toEqual([{ id: 1 }]);
  });

  it("writes nothing of a write whose later statement fails", async () => {
    const db = await rig.open([itemsSchema]);
    await db.write([item(db, 1)]);
    await expect(db.write([item(db, 2), item(db, 1)])).rejects.toThrow(/unique|duplicate/i);
    expect(await all(db)).toEqual({ 1: null });
  });

  it("writes nothing of a write that touches other rows than expected, and says which statement it was", async () => {
    const db = await rig.open([itemsSchema]);
    await db.write([item(db, 1, "old")]);
    const refused = await db.write([rename(db, 1, "new"), expecting(rename(db, 7, "none"))]).catch((e: unknown) => e);
    expect(refused).toBeInstanceOf(WriteRefused);
    expect(refused).toMatchObject({ index: 1, rowCount: 0 });
    expect(await all(db)).toEqual({ 1: "old" });
  });

  // Writes of many callers share a commit: one caller's refusal must not take another's acknowledged write with it.
  it("keeps the writes of one group apart, whichever of them fail", async () => {
    const db = await rig.open([itemsSchema]);
    let base = 0;
    const fate = fc.constantFrom("fine", "refused", "duplicate", "nonsense", "returning-refused");
    await fc.assert(
      fc.asyncProperty(fc.array(fate, { minLength: 1, maxLength: 40 }), async (fates) => {
        const first = (base += 1_000);
        await db.write([item(db, first, "taken")]);
        const outcomes = await Promise.allSettled(
          fates.map((one, i) => {
            const own = item(db, first + i + 1, one);
            if (one === "refused") return db.write([own, expecting(rename(db, -1, ""))]);
            if (one === "duplicate") return db.write([own, item(db, first)]);
            if (one === "nonsense") return db.write([own, CompiledQuery.raw("not a statement")]);
            if (one === "returning-refused") {
              const returning = q(db)
                .insertInto("items")
                .values({ id: first + i + 1, number: 1, text: one, bytes: null });
              return db.write([expecting(returning.returning("id").compile(), 2)]);
            }
            return db.write([own]);
          }),
        );
        const expected = Object.fromEntries(fates.flatMap((one, i) => (one === "fine" ? [[first + i + 1, one]] : [])));
        const rows = await all(db);
        const found = Object.entries(rows).filter(([id]) => Number(id) > first);
        expect(Object.fromEntries(found)).toEqual(expected);
        expect(outcomes.map((outcome) => outcome.status === "fulfilled")).toEqual(fates.map((one) => one === "fine"));
      }),
      { numRuns: 40 },
    );
  });

  it("applies writes in the order in which they were asked for", async () => {
    const db = await rig.open([itemsSchema]);
    await db.write([item(db, 1, "start")]);
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => db.write([rename(db, 1, String(i))])));
    expect(await all(db)).toEqual({ 1: "1999" });
  });

  it("shows an acknowledged write to every later read, of any handle", async () => {
    const [one, two] = [await rig.open([itemsSchema]), await rig.open()];
    for (let id = 1; id <= 20; id++) {
      await one.write([item(one, id)]);
      expect(Object.keys(await all(two))).toHaveLength(id);
    }
  });

  it("loses no update of two handles that write at once", async () => {
    const handles = [await rig.open([itemsSchema]), await rig.open()];
    const [db] = handles as [Database];
    await db.write([q(db).insertInto("items").values({ id: 1, number: 0, text: null, bytes: null }).compile()]);
    const increment = q(db)
      .updateTable("items")
      .set((eb) => ({ number: eb("number", "+", 1) }))
      .where("id", "=", 1)
      .compile();
    await Promise.all(
      handles.flatMap((handle) => Array.from({ length: 500 }, () => handle.write([expecting(increment)]))),
    );
    expect(await db.read(q(db).selectFrom("items").select("number").compile())).toEqual([{ number: 1_000 }]);
  });

  it("keeps what was written when everything is closed and opened again", async () => {
    const db = await rig.open([itemsSchema]);
    await Promise.all(Array.from({ length: 100 }, (_, id) => db.write([item(db, id)])));
    await db.close();
    expect(Object.keys(await all(await rig.open([itemsSchema])))).toHaveLength(100);
  });

  it("finishes what was asked for before it closes, and refuses what comes after", async () => {
    const db = await rig.open([itemsSchema]);
    const writes = Array.from({ length: 1_000 }, (_, id) => db.write([item(db, id)]));
    const closing = db.close();
    await expect(db.write([item(db, 5_000)])).rejects.toMatchObject({ code: "STORAGE", started: "no" });
    await Promise.all(writes);
    await closing;
    expect(Object.keys(await all(await rig.open()))).toHaveLength(1_000);
  });

  it("keeps statements apart when very many different texts are used", async () => {
    const db = await rig.open([itemsSchema]);
    const seen = await Promise.all(
      Array.from({ length: 1_500 }, (_, i) => db.read(CompiledQuery.raw(`select ${i} as v${i % 7}`))),
    );
    expect(seen).toEqual(Array.from({ length: 1_500 }, (_, i) => [{ [`v${i % 7}`]: i }]));
    await db.write([item(db, 1)]);
    expect(await all(db)).toEqual({ 1: null });
  });

  it("counts statements, and runs none by itself", async () => {
    const db = await rig.open([itemsSchema]);
    const before = db.statementCount;
    await db.write([item(db, 1), item(db, 2)]);
    await all(db);
    expect(db.statementCount - before).toBe(3);
  });
}

function describeMigrate(rig: StoreRig): void {
  const clock = createFakeClock();
  const step = (version: number, oldestCompatible = 1): Schema["migrations"][number] => ({
    version,
    oldestCompatible,
    statements: (builder) => [builder.schema.createTable(`step_${version}`).addColumn("a", "integer").compile()],
  });
  const schema = (...migrations: Schema["migrations"][number][]): Schema => ({ owner: "test", migrations });
  const exists = (db: Database, version: number) =>
    db.read(CompiledQuery.raw(`select * from step_${version}`)).then(
      () => true,
      () => false,
    );

  it("runs what is missing, once", async () => {
    const db = await rig.open();
    await migrate(db, [schema(step(1))], clock);
    await migrate(db, [schema(step(1), step(2), step(3))], clock);
    await migrate(db, [schema(step(1), step(2), step(3))], clock);
    expect([await exists(db, 1), await exists(db, 2), await exists(db, 3)]).toEqual([true, true, true]);
  });

  // Hosts start together: each migrates, and the second to come must find the work done rather than fail on it.
  it("may be done by many at once", async () => {
    const handles = await Promise.all(Array.from({ length: 4 }, () => rig.open()));
    const steps = Array.from({ length: 8 }, (_, i) => step(i + 1));
    await Promise.all(handles.map((db) => migrate(db, [schema(...steps)], clock)));
    expect(await exists(handles[0] as Database, 8)).toBe(true);
  });

  it("does nothing of a step that fails, and goes on from there when it is mended", async () => {
    const db = await rig.open();
    const broken = {
      ...step(2),
      statements: () => [...step(2).statements(createBuilder(db.dialect)), CompiledQuery.raw("no")],
    };
    await expect(migrate(db, [schema(step(1), broken)], clock)).rejects.toThrow(/no/);
    expect([await exists(db, 1), await exists(db, 2)]).toEqual([true, false]);
    await migrate(db, [schema(step(1), step(2))], clock);
    expect(await exists(db, 2)).toBe(true);
  });

  it("lets older code run on a newer schema that allows it", async () => {
    const db = await rig.open();
    await migrate(db, [schema(step(1), step(2, 1))], clock);
    await migrate(db, [schema(step(1))], clock);
  });

  it("refuses a schema that older code cannot run on, with what to do, and changes nothing", async () => {
    const db = await rig.open();
    await migrate(db, [schema(step(1), step(2), step(3, 3))], clock);
    const other: Schema = { owner: "other", migrations: [step(4)].map((one) => ({ ...one, version: 1 })) };
    const error = await migrate(db, [other, schema(step(1), step(2))], clock).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "STORAGE", data: { reason: "too-new", owner: "test" } });
    expect(String(error)).toMatch(/too new.*version 3.*knows 2.*Update SeedCore, or restore a backup/);
    expect(await exists(db, 4)).toBe(false);
  });

  it("refuses a list of steps with a gap", async () => {
    const db = await rig.open();
    await expect(migrate(db, [schema(step(1), step(3))], clock)).rejects.toThrow(TypeError);
  });
}
