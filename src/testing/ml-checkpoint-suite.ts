import { beforeAll, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { systemClock } from "#core/clock.ts";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { createSeriesScorer } from "#services/ml/series-scorer.ts";
import { mlSchema, mlStore } from "#services/ml/store.ts";
import { createMemoryLogger } from "./memory-logger.ts";
import { startMlReplica } from "./ml-replica.ts";

type Points = [timestampMs: number, value: number][];

/** What ml promises of its checkpoints where two versions of it take turns, for whatever database `open` opens. */
export function describeMlCheckpoints(open: () => Promise<Database>): void {
  let db: Database;
  beforeAll(async () => {
    db = await open();
    await migrate(db, [shardsSchema, outboxSchema, mlSchema], systemClock);
  });

  const log = createMemoryLogger();
  /** A program of that format takes all shards over. It could not learn all of a series anew. */
  const older = () => startMlReplica(db, { checkpointFormat: 1, catchUpPoints: 1_400, log });
  const newer = () => startMlReplica(db, { checkpointFormat: 2, catchUpPoints: 1_400, log });
  type Replica = Awaited<ReturnType<typeof older>>;

  /** The scores that a replica gives, in pushes of 100 points. */
  async function scored({ client }: Replica, source: string, points: Points, options = {}): Promise<number[]> {
    const scores: number[] = [];
    for (let from = 0; from < points.length; from += 100) {
      const series = [{ name: "s", points: points.slice(from, from + 100), ...options }];
      scores.push(...((await client.ingest({ source, series, includeScores: true })).scores?.["s"] ?? []));
    }
    return scores;
  }

  const random = seededRandom(7);
  /** Noise, with a minute of something else in each 1,500 points. */
  const points = Array.from({ length: 3_000 }, (_, i): [number, number] => [
    i * 1_000,
    20 + random.next() + (i % 1_500 >= 1_200 && i % 1_500 < 1_260 ? 30 + 10 * random.next() : 0),
  ]);
  const alone = createSeriesScorer();
  const expected = points.map(([timestampMs, value]) => alone.update(value, timestampMs).score);

  // A rollout that was taken back left checkpoints that the program before cannot read: each push to their sources failed.
  it("a program goes on from its own checkpoint where a newer one has written others, and that from its own again", async () => {
    const turns = [older, newer, older, newer, older];
    const ends = [700, 1_900, 2_600, 2_650, 3_000];
    const scores: number[] = [];
    for (const [turn, start] of turns.entries()) {
      scores.push(...(await scored(await start(), "turns", points.slice(ends[turn - 1] ?? 0, ends[turn]))));
    }
    expect(scores).toEqual(expected);
    expect(log.lines).toEqual([]);
    const stored = await (await older()).client.points({ source: "turns", series: "s", limit: 100_000 });
    expect(stored.points).toEqual(points.map(([timestampMs, value], i) => [timestampMs, value, expected[i]]));
  });

  it("a series that began under a newer program is learned from its points", async () => {
    await scored(await newer(), "born", points.slice(0, 1_300));
    expect(await scored(await older(), "born", points.slice(1_300))).toEqual(expected.slice(1_300));
  });

  it("what a newer program noticed is told to be over by the older, and what it was told of the series holds", async () => {
    const toldOf = ({ told }: Replica) => [...told.keys()].filter((id) => id.startsWith("noticed/"));
    await scored(await older(), "noticed", points.slice(0, 1_000), { minimumChange: 50 });
    const before = await newer();
    await before.outbox.start();
    await scored(before, "noticed", points.slice(1_000, 1_240), { minimumChange: 5 });
    await expect.poll(() => toldOf(before)).toEqual(["noticed/s@1200000"]);
    await before.outbox.close();
    const after = await older();
    await after.outbox.start();
    await scored(after, "noticed", points.slice(1_240, 2_800));
    const told = ["noticed/s@1200000#cleared", "noticed/s@2700000", "noticed/s@2700000#cleared"];
    await expect.poll(() => toldOf(after)).toEqual(told);
    await after.outbox.close();
  });

  it("a program whose own checkpoint is too far behind learns from the newest points, and says so", async () => {
    const told = createMemoryLogger();
    const start = (checkpointFormat: number) =>
      startMlReplica(db, { checkpointFormat, catchUpPoints: 1_000, log: told });
    await scored(await start(1), "long", points.slice(0, 700));
    await scored(await start(2), "long", points.slice(700, 2_400));
    expect((await mlStore(db).load("long")).kept).toEqual([]);
    expect(told.lines).toEqual([]);
    const late = await start(1);
    const scores = await scored(late, "long", points.slice(2_400));
    expect(told.lines).toMatchObject([{ level: "warn", fields: { source: "long", series: ["s"] } }]);
    const anew = createSeriesScorer();
    const fromNewest = points.slice(1_400).map(([timestampMs, value]) => anew.update(value, timestampMs).score);
    expect(scores).toEqual(fromNewest.slice(1_000));
  });
}
