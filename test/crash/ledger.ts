/** What the writers know: the only truth that a crash may be measured against. */
import type { SeriesScript } from "./series-script.ts";

export interface Slice {
  /** Index of the series in its source. */
  readonly series: number;
  /** Indices of its points, `to` excluded. */
  readonly from: number;
  readonly to: number;
}

/** One ingest. Its slices are stored together or not at all. */
export interface Batch {
  readonly slices: readonly Slice[];
  readonly cursor: string;
  /** `unknown`: its answer never came and it was not sent again; it may be there or not. */
  readonly fate: "acknowledged" | "unknown";
}

export interface SourceLedger {
  readonly source: string;
  readonly series: readonly SeriesScript[];
  /** By series: index of the next point to send. */
  readonly next: number[];
  /** In the order in which they were sent; one began only after the fate of the one before was decided. */
  readonly batches: Batch[];
  /** Ids of crossings that answers told of. */
  readonly crossings: string[];
}

export function sourceLedger(source: string, series: readonly SeriesScript[]): SourceLedger {
  return { source, series, next: series.map(() => 0), batches: [], crossings: [] };
}

/** A thing with a marker of its own that was sent once, or again under the same idempotency key. */
export interface Sent {
  readonly marker: string;
  /** The id it was acknowledged with; undefined when no answer came. */
  readonly id: string | undefined;
}
