/** Two connections, one between the other's statements: what SQLite's single writer gives for nothing must be shown here. */
import pg from "pg";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { mlSchema, mlStore } from "#services/ml/store.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createRig, databaseUrl, failureOf, idsOf, insert, type Rig, statement } from "./rig.ts";

let rig: Rig;
let db: Database;
let owned: { service: string; shard: number; epoch: number };
/** Another process, of which each statement is under our hand. */
let other: pg.Client;

beforeEach(async () => {
  rig = await createRig();
  db = await rig.open();
  await migrate(db, [shardsSchema, mlSchema], createFakeClock());
  owned = { service: "ml", shard: 3, epoch: (await createShardEpochs(db).claim("ml", [3], "old")).get(3) ?? 0 };
  other = new pg.Client({ connectionString: databaseUrl() });
  await other.connect();
  await other.query(`set search_path to "${rig.schema}"`);
});
afterEach(async () => {
  await other.end();
  await rig.close();
});

const CLAIM = "update shards set epoch = epoch + 1, holder = 'new' where service = 'ml' and shard = 3";
/** Until a connection of ours waits for a lock that the other holds. */
const waits = () =>
  expect
    .poll(async () => {
      const { rows } = await other.query<{ count: string }>(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = $1",
        [`seedcore ${rig.schema}`],
      );
      return rows[0]?.count;
    })
    .toBe("1");

/** The two ways in which an owner writes: under a guard, and by a statement that is its own guard. */
const WRITES = {
  "a guarded write": () => createShardEpochs(db).write(owned, [insert(1)]),
  "a tail row": () => db.write([mlStore(db).appendTail("s", 1, new Uint8Array([1]), owned)]),
};
const written = async () => (await idsOf(db)).length + (await db.read(statement("select seq from ml_tail"))).length;

describe.each(Object.entries(WRITES))("%s", (_name, write) => {
  // The old owner looks while the claim is not yet committed: it must not go by what was true before.
  it("of the old owner waits for a claim under way, and is refused", async () => {
    await other.query("begin");
    await other.query(CLAIM);
    const writing = failureOf(write());
    await waits();
    await other.query("commit");
    expect((await writing)?.name).toMatch(/ServiceError|WriteRefused/);
    expect(await written()).toBe(0);
  });

  it("of the old owner happens when the claim comes to nothing", async () => {
    await other.query("begin");
    await other.query(CLAIM);
    const writing = write();
    await waits();
    await other.query("rollback");
    await writing;
    expect(await written()).toBe(1);
  });
});

// The old owner has looked, and is about to commit: the new one must not begin before that is done.
it("a claim waits for a write of the old owner under way", async () => {
  const { query } = createShardEpochs(db).guard(owned);
  await other.query("begin");
  expect((await other.query(query.sql, [...query.parameters])).rowCount).toBe(1);
  const claiming = createShardEpochs(db).claim("ml", [3], "new");
  await waits();
  await other.query("insert into rows values (1, 'of the old owner')");
  expect(await idsOf(db)).toEqual([]);
  await other.query("commit");
  expect(await claiming).toEqual(new Map([[3, 2]]));
  expect(await idsOf(db)).toEqual([1]);
});

// Writes of different services, or shards, or of one owner's two replicas that drain, need not wait for each other.
it("guards do not hold each other up", async () => {
  const { query } = createShardEpochs(db).guard(owned);
  await other.query("begin");
  await other.query(query.sql, [...query.parameters]);
  await createShardEpochs(db).write(owned, [insert(1)]);
  await other.query("rollback");
});
