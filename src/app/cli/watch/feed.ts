/** Sends what a source of points gives to ml: in order, in large batches, reading on while one is under way. */
import type { Clock } from "#core/clock.ts";
import type { Crossing, ml } from "#contracts/ml.ts";
import type { Client } from "#runtime/client/client.ts";
import type { SeriesBatch } from "../../sources/point-source.ts";
import { insist } from "./insist.ts";

export interface FeedOptions {
  readonly source: string;
  readonly minimumChange?: number | undefined;
  /** Points that an earlier run of the same file had stored: batches before that are not sent again. */
  readonly skipPoints: number;
  /** The cursor to store with the first `points` points. */
  readonly toCursor: (points: number) => string | undefined;
  /** After every acknowledged batch. */
  readonly onAcknowledged?: (result: FeedResult, crossings: readonly Crossing[]) => void;
  readonly signal: AbortSignal;
}

export interface FeedResult {
  /** Points given out by the source so far and stored, now or earlier. */
  points: number;
  accepted: number;
  late: number;
  /** Stored by an earlier run. */
  skipped: number;
  readonly crossings: Crossing[];
}

export interface FeedDeps {
  readonly clock: Clock;
  readonly ml: Pick<Client<typeof ml>, "ingest">;
}

/** What one call carries: 20,000 points are half a megabyte and a tenth of a second of scoring. */
const MAX_POINTS = 20_000;
const MAX_SERIES = 10_000;

/**
 * Resolves when everything is acknowledged, or the signal aborted and what was under way is acknowledged. A batch that
 * may or may not have been stored is sent again: points that ml has are late there, not doubled.
 * @throws ServiceError when ml refuses, or has not answered for a minute
 */
export async function feed(
  batches: AsyncIterable<SeriesBatch[]>,
  options: FeedOptions,
  deps: FeedDeps,
): Promise<FeedResult> {
  const { signal, skipPoints } = options;
  const result: FeedResult = { points: 0, accepted: 0, late: 0, skipped: 0, crossings: [] };
  let pending = new PendingBatch();
  let given = 0;
  let underWay: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const send = (): void => {
    const batch = pending;
    const points = given;
    pending = new PendingBatch();
    underWay = ingest(batch, points)
      .catch((error: unknown) => {
        failure = { error };
      })
      .finally(() => {
        underWay = undefined;
      });
  };

  const ingest = async (batch: PendingBatch, points: number): Promise<void> => {
    const answer = await insist(
      () =>
        deps.ml.ingest({
          source: options.source,
          series: batch.toSeries(options.minimumChange),
          cursor: options.toCursor(points),
        }),
      deps.clock,
      signal,
    );
    result.points = points;
    result.accepted += answer.accepted;
    const before = Math.min(answer.late, batch.storedBefore);
    result.skipped += before;
    result.late += answer.late - before;
    result.crossings.push(...answer.crossings);
    options.onAcknowledged?.(result, answer.crossings);
  };

  for await (const batch of batches) {
    if (signal.aborted || failure !== undefined) break;
    const points = batch.reduce((sum, series) => sum + series.points.length, 0);
    if (given + points <= skipPoints) {
      given += points;
      result.points = given;
      result.skipped += points;
      continue;
    }
    if (!pending.hasRoomFor(batch.length, points)) {
      await underWay;
      if (failure !== undefined) break;
      send();
    }
    pending.add(batch, Math.max(0, skipPoints - given));
    given += points;
    if (underWay === undefined) send();
  }
  await underWay;
  if (failure === undefined && !pending.isEmpty) {
    send();
    await underWay;
  }
  if (failure !== undefined) throw failure.error;
  return result;
}

class PendingBatch {
  readonly #series = new Map<string, [number, number][]>();
  #points = 0;
  storedBefore = 0;

  get isEmpty(): boolean {
    return this.#points === 0;
  }

  hasRoomFor(series: number, points: number): boolean {
    return this.isEmpty || (this.#points + points <= MAX_POINTS && this.#series.size + series <= MAX_SERIES);
  }

  /** @param storedBefore points of it that an earlier run had stored, where its batches ended elsewhere */
  add(batch: readonly SeriesBatch[], storedBefore: number): void {
    this.storedBefore += storedBefore;
    for (const { series, points } of batch) {
      let own = this.#series.get(series);
      if (own === undefined) this.#series.set(series, (own = []));
      for (const { timestampMs, value } of points) own.push([timestampMs, value]);
      this.#points += points.length;
    }
  }

  toSeries(minimumChange: number | undefined): { name: string; points: [number, number][]; minimumChange?: number }[] {
    const change = minimumChange === undefined ? {} : { minimumChange };
    return [...this.#series].map(([name, points]) => ({ name, points, ...change }));
  }
}
