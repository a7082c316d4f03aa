/** What a long-lived source is: a loop that delivers points until it is stopped. */
import type { InputOf } from "#core/contract.ts";
import type { Clock } from "#core/clock.ts";
import type { ml } from "#contracts/ml.ts";

export type SourceBatch = InputOf<(typeof ml)["procedures"]["ingest"]>["series"];

/** One run of a source; a source that throws is run again after a pause. */
export interface SourceRun {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Where ml says that this source stopped; null before its first delivery. */
  readonly cursor: () => Promise<string | null>;
  /** Resolves when the points and the cursor are durable. Points that ml has already are late there, not doubled. */
  readonly deliver: (series: SourceBatch, cursor: string) => Promise<void>;
  /** Reports trouble that the source itself repeats; the next delivery clears it. */
  readonly failing: (reason: string) => void;
  readonly backfilled: (ratio: number) => void;
}

/** Runs until the signal aborts. */
export type Source = (run: SourceRun) => Promise<void>;
