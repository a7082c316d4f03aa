/** Whether a source holds exactly what was acknowledged. Pure: it is given what was read. */
import { createSeriesScorer, type SeriesScorer } from "#services/ml/series-scorer.ts";
import type { Batch, Slice, SourceLedger } from "./ledger.ts";
import type { SeriesScript } from "./series-script.ts";

export type StoredPoint = readonly [timestampMs: number, value: number, score: number];

export interface StoredSource {
  readonly cursor: string | null;
  /** By series of the ledger: the points after the last one that was checked. */
  readonly points: readonly (readonly StoredPoint[])[];
  /** By series: all its points, as the service counts them. */
  readonly counts: readonly number[];
}

export interface SourceCheck {
  /** Timestamp of the newest point that was checked, by series; -1 before the first. */
  readonly checkedToMs: readonly number[];
  /**
   * Checks everything sent since the last time against what is stored; the first thing wrong ends the check.
   * Crossings that the stored points must have led to are added to `crossings`.
   */
  check(stored: StoredSource, crossings: string[]): string | undefined;
}

interface Progress {
  readonly script: SeriesScript;
  /** Fed with every stored point in order: uninterrupted, as if nothing had been killed. */
  readonly scorer: SeriesScorer;
  count: number;
}

export function createSourceCheck(ledger: SourceLedger): SourceCheck {
  const series: Progress[] = ledger.series.map((script) => ({ script, scorer: createSeriesScorer(), count: 0 }));
  const checkedToMs = ledger.series.map(() => -1);
  let checkedBatches = 0;
  let cursor: string | null = null;

  /** What is wrong with the points of a slice at `at`, which must all be there. */
  function compare(slice: Slice, stored: readonly StoredPoint[], at: number, crossings: string[]): string | undefined {
    const own = series[slice.series] as Progress;
    for (let index = slice.from; index < slice.to; index++) {
      const [timestampMs, value] = own.script.point(index);
      const found = stored[at + index - slice.from];
      const where = `${ledger.source}/${own.script.name} point ${index} (${timestampMs})`;
      if (found === undefined) return `${where} is missing`;
      if (found[0] !== timestampMs) return `${where} is missing: there is ${found[0]} in its place`;
      if (found[1] !== value) return `${where} has the value ${found[1]} instead of ${value}`;
      const { score, crossing } = own.scorer.update(value, timestampMs);
      if (found[2] !== score) return `${where} has the score ${found[2]}; without a crash it would be ${score}`;
      if (crossing !== undefined) crossings.push(`${ledger.source}/${own.script.name}@${crossing.startedAtMs}`);
      checkedToMs[slice.series] = timestampMs;
    }
    own.count += slice.to - slice.from;
    return undefined;
  }

  /** Whether a batch of unknown fate was stored; a text when only a part of it was. */
  function isThere(batch: Batch, stored: StoredSource, at: readonly number[]): boolean | string {
    const there = batch.slices.filter((slice) => {
      const first = series[slice.series]?.script.point(slice.from)[0];
      return stored.points[slice.series]?.[at[slice.series] ?? 0]?.[0] === first;
    });
    if (there.length === 0) return false;
    if (there.length === batch.slices.length) return true;
    return `${ledger.source}: of batch ${batch.cursor} only ${there.length} of ${batch.slices.length} series are stored`;
  }

  return {
    checkedToMs,
    check(stored, crossings) {
      const at = series.map(() => 0);
      for (; checkedBatches < ledger.batches.length; checkedBatches++) {
        const batch = ledger.batches[checkedBatches] as Batch;
        const present = batch.fate === "acknowledged" || isThere(batch, stored, at);
        if (typeof present === "string") return present;
        if (!present) continue;
        for (const slice of batch.slices) {
          const from = at[slice.series] ?? 0;
          const wrong = compare(slice, stored.points[slice.series] ?? [], from, crossings);
          if (wrong !== undefined) return `${wrong} (batch ${batch.cursor}, ${batch.fate})`;
          at[slice.series] = from + slice.to - slice.from;
        }
        cursor = batch.cursor;
      }
      for (const [number, { script, count }] of series.entries()) {
        const name = `${ledger.source}/${script.name}`;
        const extra = stored.points[number]?.[at[number] ?? 0];
        if (extra !== undefined) return `${name} has the point ${extra[0]}, which was never sent or is there twice`;
        if (stored.counts[number] !== count)
          return `${name} counts ${stored.counts[number]} points instead of ${count}`;
      }
      return stored.cursor === cursor
        ? undefined
        : `${ledger.source} has the cursor ${stored.cursor} instead of ${cursor}`;
    },
  };
}
