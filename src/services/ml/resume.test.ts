/** What ml promises of its state: a detector that was killed goes on as if it had not been. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "#core/clock.ts";
import { type Random, seededRandom } from "#core/random.ts";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { startMlReplica } from "#testing/ml-replica.ts";
import { describeWithNab } from "#testing/describe-with-nab.ts";
import type { NabSeries } from "#testing/nab.ts";
import { createSeriesScorer } from "./series-scorer.ts";
import { mlSchema } from "./store.ts";

let directory: string;
let db: Database;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "seedcore-ml-"));
  db = await openSqlite({ file: join(directory, "points.db") });
  await migrate(db, [shardsSchema, outboxSchema, mlSchema], systemClock);
});

afterAll(async () => {
  await db.close();
  await rm(directory, { recursive: true });
});

/** A database that fails one chosen write, after the points were scored and before anything is stored. */
function failing(database: Database): Database & { failNext: boolean } {
  return {
    dialect: database.dialect,
    failNext: false,
    read: (query) => database.read(query),
    write(statements) {
      if (!this.failNext) return database.write(statements);
      this.failNext = false;
      return Promise.reject(new Error("killed between score and checkpoint"));
    },
    get statementCount() {
      return database.statementCount;
    },
    close: () => database.close(),
  };
}

/** `count` different rows of the file, seeded. */
function rowsOf(file: NabSeries, count: number, random: Random): Set<number> {
  const rows = new Set<number>();
  while (rows.size < count) rows.add(1 + Math.floor(random.next() * (file.values.length - 1)));
  return rows;
}

/** The file in batches that begin at the given rows. */
function batchesAt(file: NabSeries, rows: Set<number>): { from: number; points: [number, number][] }[] {
  const starts = [0, ...[...rows].sort((a, b) => a - b), file.values.length];
  return starts.slice(0, -1).map((from, i) => ({
    from,
    points: Array.from(file.values.subarray(from, starts[i + 1]), (value, j) => [
      file.timestampsMs[from + j] ?? 0,
      value,
    ]),
  }));
}

describeWithNab("killed at seeded points, also between score and checkpoint, the scores are bit-identical", (files) => {
  test.each(files.map((file, index) => [file.name, file, index] as const))("%s", async (name, file, index) => {
    const expected = uninterrupted(file);
    const random = seededRandom(index + 1);
    const faulty = failing(db);
    let replica = await startMlReplica(faulty);
    const kills = rowsOf(file, 100, random);
    const batches = batchesAt(file, new Set([...kills, ...rowsOf(file, 100, random)]));
    const scores: number[] = [];
    for (const { from, points } of batches) {
      const call = { source: name, series: [{ name: "value", points }], cursor: `${from}`, includeScores: true };
      if (kills.has(from)) {
        if (random.next() < 0.5) {
          faulty.failNext = true;
          await expect(replica.client.ingest(call)).rejects.toThrow();
        }
        replica = await startMlReplica(faulty);
      }
      const answer = await replica.client.ingest(call);
      scores.push(...(answer.scores?.["value"] ?? []));
    }
    expect(scores).toEqual(expected.scores);
    const stored = await replica.client.points({ source: name, series: "value", limit: 100_000 });
    expect(stored.points.map(([, value]) => value)).toEqual(expected.values);
    expect(stored.points.map(([, , score]) => score)).toEqual(expected.scores);
    expect((await replica.client.source({ source: name })).cursor).toBe(`${batches.at(-1)?.from}`);
  });
});

function uninterrupted(file: NabSeries): { values: number[]; scores: number[] } {
  const scorer = createSeriesScorer({});
  const values: number[] = [];
  const scores: number[] = [];
  let lastMs = -1;
  for (const [i, value] of file.values.entries()) {
    const timestampMs = file.timestampsMs[i] ?? 0;
    if (timestampMs <= lastMs) continue;
    lastMs = timestampMs;
    values.push(value);
    scores.push(scorer.update(value, timestampMs).score);
  }
  return { values, scores };
}

test("a repeated, late or non-finite point changes nothing and is counted", async () => {
  const { client } = await startMlReplica(db);
  const points: [number, number | null][] = [
    [1_000, 1],
    [2_000, 2],
    [3_000, 3],
  ];
  const first = await client.ingest({ source: "late", series: [{ name: "s", points }] });
  const again = await client.ingest({
    source: "late",
    series: [{ name: "s", points: [...points, [3_500, null], [4_000, 4]] }],
  });
  expect(first).toMatchObject({ accepted: 3, late: 0, rejected: 0 });
  expect(again).toMatchObject({ accepted: 1, late: 3, rejected: 1 });
  const stored = await client.points({ source: "late", series: "s" });
  expect(stored.points.map(([at, value]) => [at, value])).toEqual([
    [1_000, 1],
    [2_000, 2],
    [3_000, 3],
    [4_000, 4],
  ]);
});

test("late points are counted once, also over restarts and seals", async () => {
  const ingest = (replica: Awaited<ReturnType<typeof startMlReplica>>, name: string, points: [number, number][]) =>
    replica.client.ingest({ source: "count-late", series: [{ name, points }] });
  const lateOf = async (replica: Awaited<ReturnType<typeof startMlReplica>>) =>
    Object.fromEntries(
      (await replica.client.source({ source: "count-late" })).series.map(({ name, late }) => [name, late]),
    );
  const first = await startMlReplica(db);
  await ingest(first, "a", [
    [1_000, 1],
    [1_000, 2],
    [500, 3],
    [2_000, 4],
  ]);
  await ingest(first, "a", [[1_500, 5]]);
  await ingest(first, "b", [
    [1_000, 1],
    [900, 2],
  ]);
  expect(await lateOf(first)).toEqual({ a: 3, b: 1 });
  await ingest(first, "a", [[3_000, 6]]);
  expect(await lateOf(await startMlReplica(db))).toEqual({ a: 3, b: 1 });

  const second = await startMlReplica(db);
  // Enough of one series to seal the source, with the late ones of both before and in the same ingest.
  await ingest(second, "b", [[800, 1]]);
  await ingest(second, "a", [[100, 0], ...Array.from({ length: 600 }, (_, i): [number, number] => [4_000 + i, i])]);
  await ingest(second, "b", [[1_001, 1]]);
  expect(await lateOf(second)).toEqual({ a: 4, b: 2 });
  expect(await lateOf(await startMlReplica(db))).toEqual({ a: 4, b: 2 });
});

test("an owner whose shards have moved stores nothing and says so", async () => {
  const old = await startMlReplica(db);
  await old.client.ingest({ source: "moved", series: [{ name: "s", points: [[1_000, 1]] }] });
  const current = await startMlReplica(db);
  await expect(
    old.client.ingest({ source: "moved", series: [{ name: "s", points: [[2_000, 2]] }] }),
  ).rejects.toMatchObject({
    code: "NOT_OWNER",
    started: "no",
  });
  const answer = await current.client.ingest({ source: "moved", series: [{ name: "s", points: [[2_000, 9]] }] });
  expect(answer.accepted).toBe(1);
  const stored = await current.client.points({ source: "moved", series: "s" });
  expect(stored.points.map(([, value]) => value)).toEqual([1, 9]);
});

test("a new minimum change holds from then on, also after a restart", async () => {
  const { client } = await startMlReplica(db);
  const quiet: [number, number][] = Array.from({ length: 300 }, (_, i) => [i * 1_000, 10 + (i % 3)]);
  await client.ingest({ source: "tuned", series: [{ name: "s", points: quiet }] });
  await client.ingest({ source: "tuned", series: [{ name: "s", points: [], minimumChange: 1_000 }] });
  const restarted = await startMlReplica(db);
  const answer = await restarted.client.ingest({ source: "tuned", series: [{ name: "s", points: [[400_000, 500]] }] });
  expect(answer).toMatchObject({ accepted: 1, crossings: [] });
});

// It stayed open and silent: the page showed a chart that had stopped, and no reader knew to ask the new owner.
test("who watches a source is told when its shard has moved", async () => {
  const { client, service } = await startMlReplica(db);
  const watched = client.live({ source: "moving", series: ["b"] })[Symbol.asyncIterator]();
  const first = watched.next();
  await new Promise(setImmediate);
  const points: [number, number][] = [[1_000, 1]];
  await client.ingest({
    source: "moving",
    series: [
      { name: "a", points },
      { name: "b", points },
    ],
  });
  expect(await first).toMatchObject({ value: { series: "b", timestampMs: 1_000, value: 1 } });
  const end = expect(watched.next()).rejects.toMatchObject({ code: "NOT_OWNER" });
  await service.owned?.(new Map());
  await end;
});
