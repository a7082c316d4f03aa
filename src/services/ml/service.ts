import type { z } from "zod";
import { type Crossing, ml, type ValveSpec } from "#contracts/ml.ts";
import { shardOf, toShardRanges } from "#core/shard.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type OwnedShards, type Service } from "#runtime/service.ts";
import { type Database, WriteRefused } from "#runtime/storage/database.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import { type Logger, silentLogger } from "#runtime/telemetry/logger.ts";
import { createLiveScores } from "./live-scores.ts";
import { readPoints } from "./read-points.ts";
import { createSeriesScorer, SCORER_FORMAT } from "./series-scorer.ts";
import { type Ingest, type IngestOutcome, loadSourceState, type SourceState } from "./source-state.ts";
import type { MlStore } from "./store.ts";
import { createValve } from "./valve.ts";
import { calibrateValveInTurns } from "./valve-calibration.ts";

export interface MlDeps {
  readonly database: Database;
  readonly store: MlStore;
  /** Takes crossings to the coordinator; its rows are in the same database as the points. */
  readonly outbox: Outbox;
  readonly log: Logger;
  /**
   * Format of its checkpoints.
   * @default that of its scorers
   */
  readonly checkpointFormat?: number;
  /**
   * Points of a series from which it learns again at most, where a program of another format was at it since.
   * @default 262144: three days of one a second, which take under a second for each series
   */
  readonly catchUpPoints?: number;
}

/** Topic under which crossings leave; the body is the input of coordinator.reportCrossing. */
export const CROSSING_TOPIC = "coordinator.reportCrossing";

const CATCH_UP_POINTS = 262_144;

/** Scores points of the sources whose shards it owns. What it has acknowledged is on disk, with its score. */
export function mlService(deps: MlDeps): Service<typeof ml> {
  const { store, outbox, database, log } = deps;
  const { checkpointFormat: format = SCORER_FORMAT, catchUpPoints = CATCH_UP_POINTS } = deps;
  const sources = new Map<string, Promise<SourceState>>();
  /** The end of each source's queue: its ingests run one after another. */
  const queues = new Map<string, Promise<unknown>>();
  const live = createLiveScores();
  const totals = { accepted: 0, late: 0, rejected: 0, crossings: 0 };
  let owned: OwnedShards = new Map();
  /** Of `owned`, as `status` tells it. */
  let ownedRanges = "";

  function stateOf(source: string): Promise<SourceState> {
    let state = sources.get(source);
    if (state === undefined) {
      state = loadSourceState(store, source, { format, catchUpPoints, log });
      sources.set(source, state);
      // A source that could not be loaded is tried again by the next call.
      state.catch(() => sources.delete(source));
    }
    return state;
  }

  /** Runs `work` after everything before it on the same source. */
  function inOrder<T>(source: string, work: () => Promise<T>): Promise<T> {
    const previous = queues.get(source) ?? Promise.resolve();
    const next = previous.then(work, work);
    const settled = next.then(
      () => {},
      () => {},
    );
    queues.set(source, settled);
    void settled.then(() => {
      if (queues.get(source) === settled) queues.delete(source);
    });
    return next;
  }

  async function ingest(source: string, input: Ingest): Promise<IngestOutcome> {
    const shard = shardOf(source);
    const epoch = owned.get(shard);
    if (epoch === undefined)
      throw new ServiceError("NOT_OWNER", `This replica does not own shard ${shard} of "${source}".`);
    const state = await stateOf(source);
    try {
      const outcome = await state.ingest(input, { shard, epoch });
      const messages = [
        ...outcome.crossings.map((crossing) => toMessage(crossing)),
        ...outcome.cleared.map(({ crossing, clearedAtMs }) => toMessage(crossing, clearedAtMs)),
      ];
      if (outcome.writes.length > 0) {
        await database.write([...outcome.writes, ...messages.map((message) => outbox.put(message))]);
      }
      if (messages.length > 0) outbox.kick();
      return outcome;
    } catch (error) {
      // What was scored in memory was not stored: memory is forgotten, so that it never runs ahead of the disk.
      sources.delete(source);
      if (error instanceof WriteRefused) {
        throw new ServiceError("NOT_OWNER", `Shard ${shard} of "${source}" has moved to another replica.`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  return implement(
    ml,
    {
      async ingest({ source, series, cursor, includeScores }) {
        const outcome = await inOrder(source, () =>
          ingest(source, { series, cursor, includeScores, isWatched: live.isWatched(source) }),
        );
        totals.accepted += outcome.accepted;
        totals.late += outcome.late;
        totals.rejected += outcome.rejected;
        totals.crossings += outcome.crossings.length;
        live.publish(source, outcome.live);
        return {
          accepted: outcome.accepted,
          late: outcome.late,
          rejected: outcome.rejected,
          crossings: [...outcome.crossings],
          ...(includeScores ? { scores: outcome.scores } : {}),
        };
      },

      async source({ source }, { fail }) {
        const info = await inOrder(source, async () => (await stateOf(source)).info());
        if (info.series.length === 0 && info.cursor === null) {
          sources.delete(source);
          throw fail("UNKNOWN_SOURCE", { source }, `No points have come from a source "${source}".`);
        }
        return info;
      },

      async sources() {
        const names = await store.sourceNames();
        const infos = await Promise.all(
          names.map(async ({ source }) =>
            (sources.has(source)
              ? await stateOf(source)
              : await loadSourceState(store, source, { format, catchUpPoints: 0, log: silentLogger })
            ).info(),
          ),
        );
        return {
          sources: infos.map(({ source, series }) => ({
            source,
            series: series.length,
            points: series.reduce((sum, one) => sum + one.points, 0),
            lastTimestampMs: series.reduce((latest, one) => Math.max(latest, one.lastTimestampMs), 0),
          })),
        };
      },

      async points({ source, series, fromMs, toMs, limit }, { fail }) {
        const points = await readPoints(store, { source, series, fromMs, toMs, limit });
        if (points === undefined) {
          throw fail("UNKNOWN_SERIES", { source, series }, `Source "${source}" has no series "${series}".`);
        }
        return { points };
      },

      live: ({ source, series }, { signal }) => live.subscribe(source, series, signal),

      async detectAnomaly({ points, minimumChange }) {
        const scorer = createSeriesScorer(minimumChange === undefined ? {} : { minimumChange });
        const scores: (number | null)[] = [];
        const crossings: Omit<Crossing, "id" | "source" | "series">[] = [];
        let lastMs = -1;
        for (const [index, [timestampMs, value]] of points.entries()) {
          if (index % 4_096 === 4_095) await new Promise(setImmediate);
          if (value === null || timestampMs <= lastMs) {
            scores.push(null);
            continue;
          }
          lastMs = timestampMs;
          const scored = scorer.update(value, timestampMs);
          scores.push(scored.score);
          if (scored.crossing) {
            const { startedAtMs, expected, spread, peakScore, direction } = scored.crossing;
            crossings.push({
              startedAtMs,
              value: scored.crossing.value,
              expected,
              spread,
              score: peakScore,
              direction,
            });
          }
        }
        return { scores, crossings };
      },

      calibrateValve: (spec, { signal }) => calibrate(spec, signal),

      async applyValve({ values, ...spec }, { signal }) {
        const { threshold } = await calibrate(spec, signal);
        const valve = createValve({ ...spec, threshold });
        const statistics: number[] = [];
        const crossedAt: number[] = [];
        for (const [index, value] of values.entries()) {
          const { statistic, crossed } = valve.update(value);
          statistics.push(statistic);
          if (crossed) crossedAt.push(index);
        }
        return { threshold, statistics, crossedAt };
      },

      async status() {
        const states = await Promise.all(sources.values());
        return {
          shards: ownedRanges,
          series: states.reduce((sum, state) => sum + state.seriesCount(), 0),
          ...totals,
        };
      },
    },
    {
      database,
      async owned(shards) {
        owned = shards;
        ownedRanges = toShardRanges(shards.keys());
        // What another replica may have written since is read again.
        for (const source of sources.keys()) if (!shards.has(shardOf(source))) sources.delete(source);
        live.dismiss((source) => shards.has(shardOf(source)));
      },
      async close() {
        await Promise.all(queues.values());
        await outbox.close();
      },
    },
  );
}

/** A spec no valve can be calibrated for is the caller's mistake, in words that say which. */
async function calibrate(spec: z.output<typeof ValveSpec>, signal: AbortSignal) {
  try {
    return await calibrateValveInTurns(spec, signal);
  } catch (error) {
    if (error instanceof RangeError) throw new ServiceError("INVALID_INPUT", error.message, { cause: error });
    throw error;
  }
}

function toMessage(crossing: Crossing, clearedAtMs?: number) {
  return {
    id: clearedAtMs === undefined ? crossing.id : `${crossing.id}#cleared`,
    topic: CROSSING_TOPIC,
    body: { id: crossing.id, crossing, ...(clearedAtMs === undefined ? {} : { clearedAtMs }) },
  };
}
