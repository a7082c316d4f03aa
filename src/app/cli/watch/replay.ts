import { type Clock, sleep } from "#core/clock.ts";
import type { SeriesBatch } from "../../sources/point-source.ts";
import { usageError } from "../cli-error.ts";

/** `max` as Infinity, `60x` as 60. @throws CliError for anything else */
export function toSpeed(text: string): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  const match = /^(\d+(?:\.\d+)?)x?$/.exec(text);
  const speed = Number(match?.[1]);
  if (speed > 0) return speed;
  throw usageError(`--speed ${text} is not a speed.`, "Write a multiple of the file's own time, such as 60x, or max.");
}

export interface ReplayOptions {
  readonly speed: number;
  /** Points at the start that were stored before: they are passed on without waiting for their time. */
  readonly skipPoints: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Passes batches on when their first point is due: `speed` times as fast as the points' own times. */
export async function* replay(
  batches: AsyncIterable<SeriesBatch[]>,
  { speed, skipPoints, clock, signal }: ReplayOptions,
): AsyncGenerator<SeriesBatch[]> {
  let start: { readonly pointMs: number; readonly atMs: number } | undefined;
  let given = 0;
  for await (const batch of batches) {
    given += batch.reduce((sum, { points }) => sum + points.length, 0);
    if (given > skipPoints) {
      const pointMs = batch[0]?.points[0]?.timestampMs ?? 0;
      start ??= { pointMs, atMs: clock.monotonic() };
      const waitMs = (pointMs - start.pointMs) / speed - (clock.monotonic() - start.atMs);
      if (waitMs > 1) await sleep(clock, waitMs, signal).catch(() => {});
    }
    if (signal.aborted) return;
    yield batch;
  }
}
