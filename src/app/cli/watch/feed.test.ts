import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { SeriesBatch } from "../../sources/point-source.ts";
import { type FeedDeps, type FeedOptions, feed } from "./feed.ts";
import { storedPoints, toCursor } from "./file-cursor.ts";

type Fate = "stored" | "refused" | "answer lost";

/** ml as a sender sees it: keeps what is later than the newest; answers may be lost on the way back. */
function fakeMl(fates: Fate[] = []) {
  const stored = new Map<string, [number, number][]>();
  const state = { calls: 0, inFlight: 0, mostInFlight: 0, largest: 0, cursor: null as string | null };
  const ingest: FeedDeps["ml"]["ingest"] = Object.assign(
    async ({ series, cursor }: Parameters<FeedDeps["ml"]["ingest"]>[0]) => {
      state.calls++;
      state.mostInFlight = Math.max(state.mostInFlight, ++state.inFlight);
      state.largest = Math.max(
        state.largest,
        series.reduce((sum, { points }) => sum + points.length, 0),
      );
      await Promise.resolve();
      state.inFlight--;
      const fate = fates.shift() ?? "stored";
      if (fate === "refused") throw new ServiceError("UNAVAILABLE", "away");
      let accepted = 0;
      let late = 0;
      for (const { name, points } of series) {
        const known = stored.get(name) ?? [];
        stored.set(name, known);
        for (const [time, value] of points) {
          if (time <= (known.at(-1)?.[0] ?? -1)) late++;
          else {
            known.push([time, value ?? Number.NaN]);
            accepted++;
          }
        }
      }
      state.cursor = cursor ?? state.cursor;
      if (fate === "answer lost") throw new ServiceError("CONNECTION_LOST", "gone");
      return { accepted, late, rejected: 0, crossings: [] };
    },
    { try: () => Promise.reject(new Error("not used")) },
  );
  return { stored, state, ml: { ingest } };
}

async function* from(batches: readonly SeriesBatch[][]): AsyncGenerator<SeriesBatch[]> {
  for (const batch of batches) yield batch;
}

const options = (changes: Partial<FeedOptions> = {}): FeedOptions => ({
  source: "s",
  skipPoints: 0,
  toCursor: (points) => toCursor("file", points),
  signal: new AbortController().signal,
  ...changes,
});

/** `count` points of one series from `first` on. */
const points = (first: number, count: number, series = "a"): SeriesBatch => ({
  series,
  points: Array.from({ length: count }, (_, i) => ({ timestampMs: first + i, value: first + i })),
});

/** Moves time on until the work is done: it waits between attempts. */
async function finish<T>(work: Promise<T>, clock: ReturnType<typeof createFakeClock>): Promise<T> {
  let done = false;
  const mark = () => {
    done = true;
  };
  work.then(mark, mark);
  while (!done) await clock.advance(250);
  return work;
}

describe("feed", () => {
  const batchesOf = (sizes: readonly number[]) => {
    let first = 0;
    return sizes.map((size) => {
      const batch = [points(first, size), points(first, size, "b")];
      first += size;
      return batch;
    });
  };

  // Any run of refusals and lost answers, then a death and the same command again: each point once, in order.
  it("stores each point once and in order, whatever happens on the way", async () => {
    const fate = fc.constantFrom<Fate>("stored", "refused", "answer lost");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 12 }),
        fc.array(fate, { maxLength: 20 }),
        fc.nat(12),
        async (sizes, fates, diesAfter) => {
          const world = fakeMl(fates);
          const clock = createFakeClock();
          const batches = batchesOf(sizes);
          await finish(feed(from(batches.slice(0, diesAfter)), options(), { clock, ml: world.ml }), clock);
          const skipPoints = storedPoints(world.state.cursor, "file");
          await finish(feed(from(batches), options({ skipPoints }), { clock, ml: world.ml }), clock);
          const total = sizes.reduce((sum, size) => sum + size, 0);
          for (const name of ["a", "b"]) {
            expect(world.stored.get(name)?.map(([time]) => time)).toEqual(Array.from({ length: total }, (_, i) => i));
          }
          expect(world.state.mostInFlight).toBe(1);
          expect(world.state.largest).toBeLessThanOrEqual(20_000);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("gives up after a minute of refusals and says why", async () => {
    const clock = createFakeClock();
    const { ml } = fakeMl(Array.from({ length: 1_000 }, () => "refused"));
    await expect(finish(feed(from([[points(0, 5)]]), options(), { clock, ml }), clock)).rejects.toThrow("away");
    expect(clock.monotonic()).toBeGreaterThanOrEqual(60_000);
  });

  it("does not repeat what will never be taken", async () => {
    const clock = createFakeClock();
    const ingest = Object.assign(() => Promise.reject(new ServiceError("FORBIDDEN", "no")), {
      try: () => Promise.reject(new Error("not used")),
    });
    await expect(feed(from([[points(0, 5)]]), options(), { clock, ml: { ingest } })).rejects.toThrow("no");
    expect(clock.monotonic()).toBe(0);
  });

  it("stops between batches when it is interrupted, with what was sent acknowledged", async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    const world = fakeMl();
    const result = await feed(
      from(Array.from({ length: 50 }, (_, i) => [points(i * 20_000, 20_000)])),
      options({ signal: stop.signal, onAcknowledged: () => stop.abort() }),
      { clock, ml: world.ml },
    );
    expect(result.accepted).toBe(world.stored.get("a")?.length);
    expect(result.accepted).toBeLessThan(200_000);
  });
});

describe("a file's cursor", () => {
  it("speaks only for its own file and survives anything that was stored before", () => {
    expect(storedPoints(toCursor("f", 12) ?? null, "f")).toBe(12);
    expect(storedPoints(toCursor("f", 12) ?? null, "g")).toBe(0);
    for (const cursor of [null, "", "17", "null", "{", '{"file":"f"}', '{"file":"f","points":"x"}']) {
      expect(storedPoints(cursor, "f")).toBe(0);
    }
    expect(toCursor(undefined, 5)).toBeUndefined();
  });
});
