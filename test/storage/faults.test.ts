import { execFile } from "node:child_process";
import { chmod, mkdir, open as openFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { CompiledQuery } from "kysely";
import { describe, expect, it } from "vitest";
import { systemClock } from "#core/clock.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { mountSmallDisk, temporaryDirectory } from "./rig.ts";

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const statement = (text: string, ...parameters: unknown[]) => CompiledQuery.raw(text, parameters);
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as Error,
  );

async function openRows(file: string, busyTimeoutMs = 5_000): Promise<Database> {
  const db = await openSqlite({ file, busyTimeoutMs });
  await db.write([statement("create table if not exists rows (id integer primary key, body blob)")]);
  return db;
}
const insert = (id: number, bytes = 10) =>
  statement("insert into rows values (?, ?)", id, new Uint8Array(bytes).fill(1));
const ids = async (db: Database) =>
  (await db.read<{ id: number }>(statement("select id from rows order by id"))).map((row) => row.id);

describe("a full disk", () => {
  it.skipIf(!isRoot)(
    "refuses writes, keeps what it acknowledged, and goes on when there is room (needs root)",
    async () => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, "disk");
      await using _disk = await mountSmallDisk(path, 1_024);
      const db = await openRows(join(path, "a.db"));
      const acknowledged: number[] = [];
      const failures: unknown[] = [];
      for (let id = 1; id <= 400 && failures.length < 5; id += 4) {
        const group = [id, id + 1, id + 2, id + 3];
        const outcomes = await Promise.allSettled(group.map((one) => db.write([insert(one, 4_000)])));
        for (const [i, outcome] of outcomes.entries()) {
          if (outcome.status === "fulfilled") acknowledged.push(group[i] ?? 0);
          else failures.push(outcome.reason);
        }
      }
      expect(failures.length).toBeGreaterThan(0);
      for (const failure of failures) {
        expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "full" } });
        expect(String(failure)).toMatch(/disk that holds .* is full .*Nothing was written.*Free some space/);
      }
      expect(await ids(db)).toEqual(acknowledged);
      await run("mount", ["-o", "remount,size=8m", path]);
      await db.write([insert(1_000, 4_000)]);
      await db.close();
      const again = await openRows(join(path, "a.db"));
      expect(await ids(again)).toEqual([...acknowledged, 1_000]);
      await again.close();
    },
  );

  it.skipIf(!isRoot)("says so at the start, too (needs root)", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "disk");
    await using _disk = await mountSmallDisk(path, 64);
    await failureOf(writeFile(join(path, "filler"), new Uint8Array(100_000)));
    expect(await failureOf(openRows(join(path, "a.db")))).toMatchObject({ code: "STORAGE", data: { reason: "full" } });
  });
});

describe("a locked database", () => {
  it("refuses a write after the time-out, with who to look for, and goes on afterwards", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "a.db");
    const db = await openRows(file, 200);
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    const failure = await failureOf(db.write([insert(1)]));
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "locked" } });
    expect(failure?.message).toMatch(/locked by another process for more than 200 ms.*fuser/);
    expect(await ids(db)).toEqual([]);
    other.exec("ROLLBACK");
    await db.write([insert(2)]);
    expect(await ids(db)).toEqual([2]);
    other.close();
    await db.close();
  });

  it("says so when it cannot even be opened", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "a.db");
    const other = new DatabaseSync(file);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; create table a (a); BEGIN EXCLUSIVE");
    expect(await failureOf(openSqlite({ file, busyTimeoutMs: 200 }))).toMatchObject({ data: { reason: "locked" } });
    other.close();
  });
});

describe("a file that is not what it should be", () => {
  it("refuses one that is not a database, and leaves it as it is", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "a.db");
    await writeFile(file, "timestamp,value\n".repeat(1_000));
    const failure = await failureOf(openSqlite({ file }));
    expect(failure).toMatchObject({ code: "STORAGE", started: "no", data: { reason: "not-a-database" } });
    expect(failure?.message).toMatch(/is not a database .*Move that file away/);
  });

  it("refuses a directory in the file's place", async () => {
    await using directory = await temporaryDirectory();
    await mkdir(join(directory.path, "a.db"));
    const failure = await failureOf(openSqlite({ file: join(directory.path, "a.db") }));
    expect(failure).toMatchObject({ code: "STORAGE", data: { reason: "cannot-open" } });
  });

  it("reports damage rather than rows made of it", async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "a.db");
    const db = await openRows(file);
    for (let id = 0; id < 100; id++) await db.write([insert(id, 3_000)]);
    await db.close();
    const raw = new DatabaseSync(file);
    const pages = Number(raw.prepare("PRAGMA page_count").get()?.["page_count"]);
    raw.close();
    const handle = await openFile(file, "r+");
    await handle.write(new Uint8Array(4_096 * (pages - 2)).fill(0xff), 0, undefined, 4_096);
    await handle.close();
    expect(await failureOf(openRows(file).then(ids))).toMatchObject({ code: "STORAGE", data: { reason: "corrupt" } });
  });

  // SQLite goes on writing into a file that has no name any more: acknowledged, and gone with the process.
  it.each(["removed", "replaced", "log removed"])("acknowledges nothing once the file is %s", async (what) => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, "a.db");
    const db = await openRows(file);
    await db.write([insert(1)]);
    if (what === "removed") await rm(file);
    else if (what === "replaced") await rename(file, `${file}.old`).then(() => writeFile(file, ""));
    else await rm(`${file}-wal`);
    const failure = await failureOf(db.write([insert(2)]));
    expect(failure).toMatchObject({ code: "STORAGE", data: { reason: "gone" } });
    expect(failure?.message).toMatch(/removed or replaced while it was in use.*restore a backup/);
    expect(await failureOf(ids(db))).toMatchObject({ data: { reason: "gone" } });
    await db.close();
  });

  it("refuses one that is too new, with what to do", async () => {
    await using directory = await temporaryDirectory();
    const schema = (versions: readonly number[]): Schema => ({
      owner: "tasks",
      migrations: versions.map((version) => ({ version, oldestCompatible: version, statements: () => [] })),
    });
    const newer = createDatabases(`sqlite:${directory.path}`, systemClock, "test");
    await newer.open("seedcore", [schema([1, 2, 3])]);
    await newer.close();
    const older = createDatabases(`sqlite:${directory.path}`, systemClock, "test");
    expect((await failureOf(older.open("seedcore", [schema([1])])))?.message).toMatch(/too new.*Update SeedCore/);
    await older.close();
  });
});

describe("a data directory", () => {
  const open = async (directory: string) => {
    const databases = createDatabases(`sqlite:${directory}`, systemClock, "test");
    const failure = await failureOf(databases.open("seedcore", []));
    await databases.close();
    return failure;
  };

  it("is made when it is absent", async () => {
    await using directory = await temporaryDirectory();
    expect(await open(join(directory.path, "a", "b"))).toBeUndefined();
  });

  it("is refused when it is a file", async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, "a"), "");
    expect((await open(join(directory.path, "a")))?.message).toMatch(/cannot be used: it is a file/);
    expect((await open(join(directory.path, "a", "b")))?.message).toMatch(
      /cannot be used: a part of the path is a file/,
    );
  });

  // Root may write anywhere: for it, the read-only disk below takes the same path.
  if (!isRoot)
    it("is refused when this user may not write there", async () => {
      await using directory = await temporaryDirectory();
      await chmod(directory.path, 0o500);
      expect((await open(directory.path))?.message).toMatch(/this user may not write there/);
      await chmod(directory.path, 0o700);
    });

  it.skipIf(!isRoot)("is refused when its disk is mounted read-only (needs root)", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "disk");
    await using _disk = await mountSmallDisk(path, 1_024);
    const before = await openRows(join(path, "seedcore.db"));
    await before.close();
    await run("mount", ["-o", "remount,ro", path]);
    expect((await open(path))?.message).toMatch(/its disk is mounted read-only/);
    expect(await failureOf(openRows(join(path, "seedcore.db")))).toMatchObject({ code: "STORAGE" });
  });

  it("shares one handle per name", async () => {
    await using directory = await temporaryDirectory();
    const databases = createDatabases(`sqlite:${directory.path}`, systemClock, "test");
    const [one, two, other] = await Promise.all(
      ["seedcore", "seedcore", "points"].map((name) => databases.open(name, [])),
    );
    expect([one === two, one === other]).toEqual([true, false]);
    await databases.close();
  });
});
