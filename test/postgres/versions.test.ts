import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import { idempotencySchema } from "#runtime/host/idempotency.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createDatabases, type Databases } from "#runtime/storage/databases.ts";
import type { Migration, Schema } from "#runtime/storage/migration.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { coordinatorSchema } from "#services/coordinator/schema.ts";
import { organismSchema } from "#services/organism/store.ts";
import { stateSchema } from "#services/state/store.ts";
import { failureOf } from "./rig.ts";
import { onDatabase } from "./server.ts";

let namespace: string;
let processes: Databases[] = [];
beforeEach(() => {
  namespace = `Versions ${randomBytes(6).toString("hex")}`;
});
afterEach(async () => {
  for (const one of processes) await one.close();
  processes = [];
  await onDatabase(inject("postgresUrl") ?? "", `drop schema if exists "${namespace}__seedcore" cascade`);
});

/** A process of its own, as far as the server can tell. */
function start(schemas: readonly Schema[]): Promise<Database> {
  const databases = createDatabases(inject("postgresUrl") ?? "", systemClock, namespace);
  processes.push(databases);
  return databases.open("seedcore", schemas);
}

// Hosts start together on a database that has nothing yet, each with its own services and in its own order.
it("may be migrated by many processes at once, from nothing", async () => {
  const all = [coordinatorSchema, organismSchema, stateSchema, outboxSchema, shardsSchema, idempotencySchema];
  const started = await Promise.all(
    Array.from({ length: 6 }, (_, i) => start([...all.slice(i), ...all.slice(0, i), desiredStateSchema])),
  );
  const q = createBuilder<{ schema_versions: { owner: string; version: number } }>("postgres");
  const owners = q.selectFrom("schema_versions").select(["owner", "version"]).orderBy("owner").compile();
  for (const db of started) expect(await db.read(owners)).toHaveLength(all.length + 1);
});

describe("two versions on one database", () => {
  interface Tables {
    things: { id: number; name: string; label?: string | null };
  }
  const q = createBuilder<Tables>("postgres");
  const first: Migration = {
    version: 1,
    oldestCompatible: 1,
    statements: (builder) => [
      builder.schema
        .createTable("things")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull())
        .compile(),
    ],
  };
  const expand: Migration = {
    version: 2,
    oldestCompatible: 1,
    statements: (builder) => [builder.schema.alterTable("things").addColumn("label", "text").compile()],
  };
  const contract: Migration = {
    version: 3,
    oldestCompatible: 2,
    statements: (builder) => [
      builder.schema
        .alterTable("things")
        .alterColumn("label", (column) => column.setDefault("none"))
        .compile(),
    ],
  };
  const schema = (...migrations: Migration[]): Schema => ({ owner: "things", migrations });
  const put = (db: Database, thing: Tables["things"]) => db.write([q.insertInto("things").values(thing).compile()]);
  const all = (db: Database) => db.read(q.selectFrom("things").selectAll().orderBy("id").compile());

  // The older version has its statements prepared when the newer one adds a column: PostgreSQL refuses those plans.
  it("both write and read while the newer adds what the older does not know", async () => {
    const old = [await start([schema(first)]), await start([schema(first)])];
    let id = 0;
    const use = async (dbs: readonly Database[]) => {
      for (let round = 0; round < 4; round++) {
        await Promise.all(dbs.map((db) => put(db, { id: ++id, name: "old" })));
        for (const db of dbs) expect((await all(db)).length).toBeGreaterThan(0);
        const returning = q.updateTable("things").set({ name: "old" }).where("id", "=", 1).returningAll().compile();
        for (const db of dbs) expect((await db.write([returning]))[0]?.rows).toMatchObject([{ id: 1, name: "old" }]);
      }
    };
    await use(old);
    const using = use(old);
    const young = [await start([schema(first, expand)]), await start([schema(first, expand)])];
    await using;
    await use([...old, ...young]);
    await Promise.all(young.map((db) => put(db, { id: ++id, name: "young", label: "l" })));
    for (const db of [...old, ...young]) expect(await all(db)).toHaveLength(id);
  });

  it("an older one is refused once the newer has taken away what it needs, and told what to do", async () => {
    const young = await start([schema(first, expand, contract)]);
    await put(young, { id: 1, name: "young" });
    const failure = await failureOf(start([schema(first)]));
    expect(failure).toMatchObject({ code: "STORAGE", data: { reason: "too-new", owner: "things" } });
    expect(await start([schema(first, expand)]).then(all)).toEqual([{ id: 1, name: "young", label: "none" }]);
  });
});
