/** Runs one source until it is stopped: starts it again after a failure, with backoff, and knows how it fares. */
import { type Clock, sleep } from "#core/clock.ts";
import type { Random } from "#core/random.ts";
import { isServiceError } from "#core/service-error.ts";
import type { ml } from "#contracts/ml.ts";
import type { SourceStatus } from "#contracts/telemetry.ts";
import type { Client } from "#runtime/client/client.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { Source, SourceRun } from "./source.ts";
import type { StoredSource } from "./store.ts";

const BACKOFF_MS = { first: 1_000, longest: 60_000 };

export interface RunnerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly ml: Pick<Client<typeof ml>, "ingest" | "source">;
}

export interface SourceRunner {
  status(): SourceStatus;
  /** Stops it; resolves when it has ended. */
  stop(): Promise<void>;
}

export function runSource(stored: StoredSource, source: Source, deps: RunnerDeps): SourceRunner {
  const { clock, log, ml } = deps;
  const { name } = stored;
  const stopping = new AbortController();
  const { signal } = stopping;
  /** Points scored before this process: known once ml answered. */
  let earlierPoints = 0;
  let points = 0;
  let lastPointAtMs: number | null = null;
  let backfillRatio: number | null = null;
  let error: string | null = null;
  let failures = 0;

  const fail = (reason: string): void => {
    if (error !== reason) log.warn({ source: name, reason }, "A source fails; it will be tried again.");
    error = reason;
  };

  const run: SourceRun = {
    clock,
    signal,
    async cursor() {
      const known = await ml.source.try({ source: name }, { signal });
      if (!known.ok) return null;
      earlierPoints = known.value.series.reduce((sum, series) => sum + series.points, 0) - points;
      for (const series of known.value.series) {
        lastPointAtMs = Math.max(lastPointAtMs ?? 0, series.lastTimestampMs);
      }
      return known.value.cursor;
    },
    async deliver(series, cursor) {
      const answer = await ml.ingest({ source: name, series, cursor }, { signal, priority: "background" });
      points += answer.accepted;
      for (const { points: delivered } of series) {
        const newest = delivered.at(-1)?.[0];
        if (newest !== undefined) lastPointAtMs = Math.max(lastPointAtMs ?? 0, newest);
      }
      if (error !== null) log.info({ source: name }, "The source works again.");
      error = null;
      failures = 0;
    },
    failing: fail,
    backfilled(ratio) {
      backfillRatio = ratio;
    },
  };

  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await source(run);
      } catch (thrown) {
        if (signal.aborted) return;
        fail(reasonOf(thrown));
        const backoffMs = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** failures++);
        await sleep(clock, backoffMs * (0.75 + deps.random.next() / 2), signal).catch(() => {});
      }
    }
  };
  const ended = loop();

  return {
    status: () => ({
      name,
      spec: stored.spec,
      state: error !== null ? "failing" : lastPointAtMs === null ? "waiting" : "running",
      points: earlierPoints + points,
      lastPointAtMs,
      backfillRatio,
      error,
    }),
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** A reason for people: our own errors say it themselves; of system errors the code is what one searches for. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (isServiceError(thrown)) return `${thrown.message} (${thrown.code})`;
  return thrown.message || ((thrown as NodeJS.ErrnoException).code ?? thrown.name);
}
