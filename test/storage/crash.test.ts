import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { CompiledQuery } from "kysely";
import { bodyOf, readBack, startWriter, temporaryDirectory } from "./rig.ts";

const ROUNDS = Number(process.env["SEEDCORE_CRASH_ROUNDS"] ?? 20);

// A process dies at any moment: what it acknowledged is the promise, and the next one goes on from there.
it(`keeps every acknowledged row through ${ROUNDS} kill -9 of the writing process`, async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "points.db");
  const random = seededRandom(20);
  const acknowledged = new Set<number>();
  for (let round = 0; round < ROUNDS; round++) {
    const writer = startWriter(file, 32);
    await writer.reached(1 + Math.floor(random.next() * 2_000));
    for (const id of await writer.kill()) acknowledged.add(id);
    const found = await readBack(file);
    const missing = [...acknowledged].filter((id) => !found.has(id));
    expect(missing, `missing after round ${round}`).toEqual([]);
  }
  expect(acknowledged.size).toBeGreaterThan(ROUNDS);
});

// The log ends anywhere after a loss of power: SQLite must take what is whole and drop the rest.
it("loses only the newest rows when the log is cut anywhere, and none when it is cut after what was acknowledged", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "points.db");
  const writer = startWriter(file, 8);
  await writer.reached(500);
  const acknowledged = await writer.kill();
  const whole = await readBack(file);
  const random = seededRandom(7);
  const { size } = await stat(`${file}-wal`);
  const lengths = [0, 1, 31, 32, 33, size - 1, size, ...Array.from({ length: 30 }, () => random.next() * size)];
  const found: (readonly [length: number, rows: number])[] = [];
  for (const length of lengths.map(Math.floor)) {
    const rows = await readBack(file, length);
    // A suffix, and nothing else, is lost: what is left are the rows from 1 on without a gap.
    expect(Math.max(0, ...rows)).toBe(rows.size);
    found.push([length, rows.size]);
  }
  found.sort(([a], [b]) => a - b);
  const counts = found.map(([, rows]) => rows);
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(counts.at(-1)).toBe(whole.size);
  expect(acknowledged.every((id) => whole.has(id))).toBe(true);
});

// Whatever of later, unacknowledged writes reached the log or did not: what was acknowledged before them stays.
it("keeps what was acknowledged when the log is cut anywhere behind it", async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, "points.db");
  const db = await openSqlite({ file });
  const insert = (id: number) => db.write([CompiledQuery.raw("insert into rows values (?, ?)", [id, bodyOf(id)])]);
  await db.write([CompiledQuery.raw("create table rows (id integer primary key, body text)")]);
  const random = seededRandom(3);
  let last = 0;
  for (let round = 0; round < 15; round++) {
    for (const end = last + 10; last < end; ) await insert(++last);
    const acknowledged = last;
    const { size: acknowledgedSize } = await stat(`${file}-wal`);
    await Promise.all(Array.from({ length: 20 }, () => insert(++last)));
    const { size } = await stat(`${file}-wal`);
    const rows = await readBack(file, acknowledgedSize + Math.floor(random.next() * (size - acknowledgedSize)));
    expect(rows.size).toBeGreaterThanOrEqual(acknowledged);
    expect(Math.max(...rows)).toBe(rows.size);
  }
  await db.close();
});
