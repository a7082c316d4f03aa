import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompiledQuery } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import { describeStore } from "#testing/store-suite.ts";
import type { Database } from "./database.ts";
import { openSqlite } from "./sqlite.ts";

describeStore("sqlite", async () => {
  const directory = await mkdtemp(join(tmpdir(), "seedcore-store-"));
  return {
    open: () => openSqlite({ file: join(directory, "test.db") }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
});

it("keeps a database in memory as long as its handle", async () => {
  const db = await openSqlite({ file: ":memory:" });
  await db.write([CompiledQuery.raw("create table a (b)"), CompiledQuery.raw("insert into a values (1)")]);
  expect(await db.read(CompiledQuery.raw("select b from a"))).toEqual([{ b: 1 }]);
  await db.close();
});

/** The real thread, which dies of a statement that says so: before it has run it, or after it was committed. */
const MORTAL = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from "node:worker_threads";
    const dieOf = (word) => ({ texts = [] }) => {
      if (texts.some(([, sql]) => sql.includes(word))) process.exit(3);
    };
    parentPort.on("message", dieOf("die before"));
    await import(${JSON.stringify(new URL("./sqlite-worker.ts", import.meta.url).href)});
    parentPort.on("message", dieOf("die after"));`)}`,
);

describe("when its thread dies", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "seedcore-thread-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const insert = (value: number, remark = "") =>
    CompiledQuery.raw(`insert into a (b) values (${value})${remark === "" ? "" : ` -- ${remark}`}`);
  const values = async (db: Database) =>
    (await db.read(CompiledQuery.raw("select b from a order by b"))).map((row) => (row as { b: number }).b);

  // A caller that waits for an answer that the thread took along must hear of it, and not wait for ever.
  it("rejects what was under way, tells why, and the next use opens the file again with all that was acknowledged", async () => {
    const died: ServiceError[] = [];
    const file = join(directory, "a.db");
    const db = await openSqlite({ file, onThreadDied: (error) => died.push(error) }, MORTAL);
    await db.write([CompiledQuery.raw("create table a (b)"), insert(1)]);
    const before = db.statementCount;
    const [write, read] = await Promise.allSettled([db.write([insert(2, "die before")]), values(db)]);
    expect(write).toMatchObject({ status: "rejected", reason: { code: "STORAGE", started: "maybe" } });
    expect(read).toMatchObject({ status: "rejected", reason: { code: "STORAGE", started: "no" } });
    expect(await Promise.all([values(db), values(db)])).toEqual([[1], [1]]);
    await db.write([insert(3)]);
    expect(died.map(({ message }) => message)).toEqual([expect.stringMatching(/a\.db ended: exit code 3/)]);
    expect(db.statementCount).toBeGreaterThan(before);
    await db.close();
    await expect(values(db)).rejects.toMatchObject({ code: "STORAGE" });
  });

  // Only "maybe" is honest: the commit was on the disk, the answer was not on its way.
  it("what it had committed without saying so is there afterwards, and nothing is there twice", async () => {
    const { promise: died, resolve: onThreadDied } = Promise.withResolvers<ServiceError>();
    const db = await openSqlite({ file: join(directory, "a.db"), onThreadDied }, MORTAL);
    await db.write([CompiledQuery.raw("create table a (b)")]);
    const outcome = await db.write([insert(1, "die after")]).then(
      () => "stored",
      (error: ServiceError) => error.started,
    );
    expect(["stored", "maybe"]).toContain(outcome);
    await died;
    expect(await values(db)).toEqual([1]);
    await db.close();
  });

  it("a file that can no longer be opened says so at each use, and works again once it can be", async () => {
    const file = join(directory, "a.db");
    const db = await openSqlite({ file }, MORTAL);
    await db.write([CompiledQuery.raw("create table a (b)"), insert(1)]);
    await db.write([insert(2, "die before")]).catch(() => {});
    await rename(directory, `${directory}-away`);
    for (let i = 0; i < 2; i++) await expect(values(db)).rejects.toMatchObject({ code: "STORAGE" });
    await rename(`${directory}-away`, directory);
    expect(await values(db)).toEqual([1]);
    await db.close();
  });

  it("a database that was only in memory is gone and stays so", async () => {
    const db = await openSqlite({ file: ":memory:" }, MORTAL);
    await db.write([CompiledQuery.raw("create table a (b)")]);
    await db.write([insert(2, "die before")]).catch(() => {});
    await expect(values(db)).rejects.toMatchObject({ code: "STORAGE" });
    await db.close();
  });
});
