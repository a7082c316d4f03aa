import { decodeBlock } from "./point-block.ts";
import type { MlStore } from "./store.ts";
import { decodeTailRow } from "./tail-row.ts";

export interface PointsQuery {
  readonly source: string;
  readonly series: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
}

/** Points of a range as `[timestampMs, value, score]`, oldest first, the newest `limit` of them; undefined for an unknown series. */
export async function readPoints(store: MlStore, query: PointsQuery): Promise<[number, number, number][] | undefined> {
  const row = await store.series(query.source, query.series);
  if (row === undefined) return undefined;
  // The tail is read first: a seal in between moves points into blocks, where they are then seen again, not missed.
  const tail = await store.tails(query.source);
  const found = new Map<number, [number, number, number]>();
  const take = (timestampMs: number, value: number, score: number) => {
    if (timestampMs >= query.fromMs && timestampMs <= query.toMs) found.set(timestampMs, [timestampMs, value, score]);
  };
  for (const { data } of tail) {
    for (const part of decodeTailRow(data).series) {
      if (part.number !== row.number) continue;
      for (const [i, value] of part.values.entries()) take(part.timestampsMs[i] ?? 0, value, part.scores[i] ?? 0);
    }
  }
  let toMs = query.toMs;
  while (found.size < query.limit) {
    const blocks = await store.blocks(query.source, row.number, query.fromMs, toMs, BLOCKS_AT_ONCE);
    for (const { data } of blocks) {
      const block = decodeBlock(data);
      for (let i = 0; i < block.values.length; i++) {
        take(block.timestampsMs[i] ?? 0, block.values[i] ?? 0, block.scores[i] ?? 0);
      }
    }
    const oldest = blocks.at(-1);
    if (oldest === undefined || blocks.length < BLOCKS_AT_ONCE) break;
    toMs = oldest.first_ms - 1;
  }
  return [...found.values()].sort((a, b) => a[0] - b[0]).slice(-query.limit);
}

const BLOCKS_AT_ONCE = 16;
