/**
 * One source in memory: its series, their scorers, and what is not sealed yet. A source is the unit of order and of
 * ownership: its ingests run one after another, each stored as one transaction before it is acknowledged.
 */
import type { Crossing } from "#contracts/ml.ts";
import type { Write } from "#runtime/storage/database.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { decodeBlock, encodeBlock } from "./point-block.ts";
import type { LiveScore } from "./live-scores.ts";
import type { Crossing as SeriesCrossing } from "./detector/alarm.ts";
import { createSeriesScorer, formatOf, restoreSeriesScorer, type SeriesScorer } from "./series-scorer.ts";
import { readPoints } from "./read-points.ts";
import type { CheckpointRow, Fence, MlStore, SeriesRow } from "./store.ts";
import { decodeTailRow, encodeTailRow, type TailSeries } from "./tail-row.ts";

/** A block takes this many points, then a new one begins. */
const BLOCK_POINTS = 2_048;
/** A source is sealed when one of its series has this many points in the tail … */
const SEAL_POINTS = 512;
/** … or all of them together have this many. */
const SEAL_TOTAL_POINTS = 65_536;
/** Points scored before other work of the process gets its turn: about 10 ms. */
const SLICE_POINTS = 4_096;

export interface IngestSeries {
  readonly name: string;
  readonly points: readonly (readonly [number, number | null])[];
  readonly minimumChange?: number | undefined;
  readonly accumulates?: boolean | undefined;
}

export interface Ingest {
  readonly series: readonly IngestSeries[];
  readonly cursor?: string | undefined;
  readonly includeScores: boolean;
  readonly isWatched: boolean;
}

export interface IngestOutcome {
  readonly accepted: number;
  readonly late: number;
  readonly rejected: number;
  readonly crossings: readonly Crossing[];
  /** Crossings that ended, as the crossing's id and when. */
  readonly cleared: readonly { readonly crossing: Crossing; readonly clearedAtMs: number }[];
  readonly scores: Record<string, number[]>;
  /** The accepted points as they were scored, when somebody watches. */
  readonly live: readonly LiveScore[];
  /** Everything that must be stored, as one write, before the outcome is told to anyone. */
  readonly writes: readonly (Write | ReturnType<MlStore["deleteTail"]>)[];
}

/** Points of one series in columns. */
interface Columns {
  timestampsMs: number[];
  values: number[];
  scores: number[];
}

/** What its sender says of a series. */
interface SeriesOptions {
  readonly minimumChange: number;
  readonly accumulates: boolean;
}

interface SeriesState {
  readonly name: string;
  readonly number: number;
  options: SeriesOptions;
  scorer: SeriesScorer;
  points: number;
  firstMs: number;
  lastMs: number;
  lastValue: number;
  lastScore: number;
  /** Points that came too late. Those since the newest stored point are in memory only: a crash forgets them. */
  late: number;
  /** How many of `late` no stored row knows. */
  unstoredLate: number;
  /** Points since the last full block; a prefix of them is stored in the open block, the rest in the tail. */
  open: Columns;
  /** How many of `open` are in the tail only. */
  unsealed: number;
  /** What the next checkpoint replaces, where that is of another format. */
  foreign: CheckpointRow | undefined;
}

/** How a program goes on from what it, or another version of it, has stored. */
export interface Resumption {
  /** Of the checkpoints it writes; it reads those up to it. */
  readonly format: number;
  /** It learns from at most so many points that were stored since its checkpoint; one that is further behind is dropped. */
  readonly catchUpPoints: number;
  readonly log: Logger;
}

export type SourceState = ReturnType<typeof createSourceState>;

/** Loads a source and brings it to its newest acknowledged point: checkpoints, then what came since replayed through them. */
export async function loadSourceState(store: MlStore, source: string, resumption: Resumption) {
  const { row, series, kept, tail } = await store.load(source);
  const states: SeriesState[] = [];
  const anew: string[] = [];
  for (const stored of series) {
    const { state, isWhole } = await restoreSeries(store, stored, kept, resumption);
    states.push(state);
    if (!isWhole) anew.push(stored.name);
  }
  if (anew.length > 0) {
    const known = `up to format ${resumption.format}`;
    resumption.log.warn(
      { source, series: anew },
      `No checkpoint that this program reads (${known}) is recent enough: it goes on from the newest ${resumption.catchUpPoints} points of each of these series.`,
    );
  }
  const sealed = { seq: row?.sealed_seq ?? 0, cursor: row?.cursor ?? null };
  let { seq, cursor } = sealed;
  for (const tailRow of tail) {
    const decoded = decodeTailRow(tailRow.data);
    cursor = decoded.cursor ?? cursor;
    seq = tailRow.seq;
    for (const part of decoded.series) replay(states[part.number], part, source);
  }
  return createSourceState(store, source, resumption, { states, seq, cursor, sealed });
}

async function restoreSeries(
  store: MlStore,
  row: SeriesRow,
  kept: readonly CheckpointRow[],
  { format, catchUpPoints }: Resumption,
) {
  const options = { minimumChange: row.minimum_change ?? 0, accumulates: row.accumulates === 1 };
  const [newest] = await store.blocks(row.source, row.number, 0, Number.MAX_SAFE_INTEGER, 1);
  const isOpen = newest !== undefined && newest.points < BLOCK_POINTS;
  const current = toCheckpoint(row);
  const own = [...kept.filter(({ series }) => series === row.number), ...(current ? [current] : [])]
    .filter((checkpoint) => checkpoint.format <= format)
    .sort((a, b) => b.format - a.format || b.points - a.points)[0];
  const scorer =
    own === undefined ? createSeriesScorer(options, format) : restoreSeriesScorer(own.checkpoint, options, format);
  const behind = row.points - (own?.points ?? 0);
  await catchUp(store, row, scorer, own?.last_ms ?? -1, Math.min(behind, catchUpPoints));
  const state: SeriesState = {
    name: row.name,
    number: row.number,
    options,
    scorer,
    points: row.points,
    firstMs: row.first_ms,
    lastMs: row.points === 0 ? -1 : row.last_ms,
    lastValue: row.last_value,
    lastScore: row.last_score,
    late: row.late,
    unstoredLate: 0,
    open: isOpen ? decodeBlock(newest.data) : { timestampsMs: [], values: [], scores: [] },
    unsealed: 0,
    foreign: current?.format === format ? undefined : current,
  };
  return { state, isWhole: behind <= catchUpPoints };
}

function toCheckpoint({ source, number, points, last_ms, checkpoint }: SeriesRow): CheckpointRow | undefined {
  if (checkpoint === null) return undefined;
  return { source, series: number, format: formatOf(checkpoint), points, last_ms, checkpoint };
}

/** Runs the newest `count` sealed points after `sinceMs` through the scorer: a program of another format has sealed them. */
async function catchUp(store: MlStore, row: SeriesRow, scorer: SeriesScorer, sinceMs: number, count: number) {
  if (count === 0) return;
  const range = { source: row.source, series: row.name, fromMs: sinceMs + 1, toMs: row.last_ms, limit: count };
  const points = (await readPoints(store, range)) ?? [];
  for (const [i, [timestampMs, value]] of points.entries()) {
    scorer.update(value, timestampMs);
    if (i % SLICE_POINTS === SLICE_POINTS - 1) await new Promise(setImmediate);
  }
}

/** Runs stored points through the detector again; the same state comes out, since it is deterministic. */
function replay(series: SeriesState | undefined, part: TailSeries, source: string): void {
  if (series === undefined)
    throw new Error(`The tail of source "${source}" names series ${part.number}, which it has no row for.`);
  series.late += part.late;
  for (let i = 0; i < part.values.length; i++) {
    const timestampMs = part.timestampsMs[i] ?? 0;
    const value = part.values[i] ?? 0;
    series.scorer.update(value, timestampMs);
    append(series, timestampMs, value, part.scores[i] ?? 0);
  }
}

function append(series: SeriesState, timestampMs: number, value: number, score: number): void {
  if (series.points === 0) series.firstMs = timestampMs;
  series.points++;
  series.lastMs = timestampMs;
  series.lastValue = value;
  series.lastScore = score;
  series.open.timestampsMs.push(timestampMs);
  series.open.values.push(value);
  series.open.scores.push(score);
  series.unsealed++;
}

function createSourceState(
  store: MlStore,
  source: string,
  { format, catchUpPoints }: Resumption,
  loaded: { states: SeriesState[]; seq: number; cursor: string | null; sealed: { seq: number; cursor: string | null } },
) {
  const byName = new Map(loaded.states.map((state) => [state.name, state]));
  let { seq, cursor } = loaded;
  let sealed = loaded.sealed;
  let unsealedTotal = loaded.states.reduce((sum, state) => sum + state.unsealed, 0);

  /** Scores the points in place. If what it returns cannot be stored, this object must be thrown away and loaded again. */
  async function ingest(input: Ingest, fence: Fence): Promise<IngestOutcome> {
    const tally = { accepted: 0, late: 0, rejected: 0 };
    const crossings: Crossing[] = [];
    const cleared: { crossing: Crossing; clearedAtMs: number }[] = [];
    const scores: Record<string, number[]> = Object.create(null) as Record<string, number[]>;
    const live: LiveScore[] = [];
    const tail: TailSeries[] = [];
    const fresh: SeriesState[] = [];
    const changed: SeriesState[] = [];
    let slice = 0;
    for (const { name, points, minimumChange, accumulates } of input.series) {
      let series = byName.get(name);
      const options = {
        minimumChange: minimumChange ?? series?.options.minimumChange ?? 0,
        accumulates: accumulates ?? series?.options.accumulates ?? false,
      };
      if (series === undefined) {
        series = newSeries(name, byName.size, options, createSeriesScorer(options, format));
        byName.set(name, series);
        fresh.push(series);
      } else if (!isSame(options, series.options)) {
        series.options = options;
        series.scorer = restoreSeriesScorer(series.scorer.save(), options, format);
        // The tail is replayed with the row's options: from here on they are others.
        changed.push(series);
      }
      let late = 0;
      const part = {
        number: series.number,
        timestampsMs: [] as number[],
        values: [] as number[],
        scores: [] as number[],
      };
      for (const [timestampMs, value] of points) {
        if (value === null || !Number.isFinite(value)) {
          tally.rejected++;
          continue;
        }
        if (timestampMs <= series.lastMs) {
          late++;
          continue;
        }
        const scored = series.scorer.update(value, timestampMs);
        append(series, timestampMs, value, scored.score);
        part.timestampsMs.push(timestampMs);
        part.values.push(value);
        part.scores.push(scored.score);
        if (input.isWatched) live.push({ series: name, timestampMs, value, score: scored.score });
        if (scored.crossing) crossings.push(toCrossing(source, name, scored.crossing));
        if (scored.cleared) {
          cleared.push({ crossing: toCrossing(source, name, scored.cleared), clearedAtMs: timestampMs });
        }
        if (++slice % SLICE_POINTS === 0) await new Promise(setImmediate);
      }
      series.late += late;
      series.unstoredLate += late;
      tally.late += late;
      tally.accepted += part.values.length;
      if (part.values.length > 0) {
        tail.push({ ...part, late: series.unstoredLate });
        series.unstoredLate = 0;
      }
      if (input.includeScores) scores[name] = part.scores;
    }
    unsealedTotal += tally.accepted;
    if (input.cursor !== undefined) cursor = input.cursor;
    const writes = toWrites({ newCursor: input.cursor, tail, fresh, changed }, fence);
    return { ...tally, crossings, cleared, scores, live, writes };
  }

  interface Step {
    readonly newCursor: string | undefined;
    readonly tail: readonly TailSeries[];
    readonly fresh: readonly SeriesState[];
    /** Series whose options are others from now on. */
    readonly changed: readonly SeriesState[];
  }

  function toWrites({ newCursor, tail, fresh, changed }: Step, fence: Fence): IngestOutcome["writes"] {
    if (tail.length === 0 && newCursor === undefined && fresh.length === 0 && changed.length === 0) return [];
    if (changed.length > 0 || isSealDue()) return [store.fence(fence), ...seal(new Set([...fresh, ...changed]))];
    seq++;
    const append = store.appendTail(source, seq, encodeTailRow({ cursor: newCursor, series: tail }), fence);
    if (fresh.length === 0) return [append];
    // The rows of new series come with the first points, so that the tail's numbers always have a name.
    return [append, store.putSource(source, sealed.seq, sealed.cursor), ...store.putSeries(fresh.map(toEmptyRow))];
  }

  function isSealDue(): boolean {
    if (unsealedTotal >= SEAL_TOTAL_POINTS) return true;
    for (const series of byName.values()) if (series.unsealed >= SEAL_POINTS) return true;
    return false;
  }

  /** Moves the tail into blocks, with the checkpoints that stand exactly at their end; the `touched` get a new row in any case. */
  function seal(touched: ReadonlySet<SeriesState>): IngestOutcome["writes"] {
    const rows: SeriesRow[] = [];
    const replaced: CheckpointRow[] = [];
    const blocks = [];
    for (const series of byName.values()) {
      if (series.unsealed === 0 && !touched.has(series)) continue;
      const { timestampsMs, values, scores } = series.open;
      for (let from = 0; from < values.length; from += BLOCK_POINTS) {
        const to = Math.min(from + BLOCK_POINTS, values.length);
        blocks.push({
          source,
          series: series.number,
          first_ms: timestampsMs[from] ?? 0,
          last_ms: timestampsMs[to - 1] ?? 0,
          points: to - from,
          data: encodeBlock({
            timestampsMs: timestampsMs.slice(from, to),
            values: values.slice(from, to),
            scores: scores.slice(from, to),
          }),
        });
      }
      const closed = values.length - (values.length % BLOCK_POINTS);
      series.open = {
        timestampsMs: timestampsMs.slice(closed),
        values: values.slice(closed),
        scores: scores.slice(closed),
      };
      series.unsealed = 0;
      series.unstoredLate = 0;
      if (series.foreign) replaced.push(series.foreign);
      series.foreign = undefined;
      rows.push({ ...toEmptyRow(series), points: series.points, late: series.late, checkpoint: series.scorer.save() });
    }
    unsealedTotal = 0;
    sealed = { seq, cursor };
    return [
      store.putSource(source, seq, cursor),
      ...store.putSeries(rows),
      ...store.keepCheckpoints(source, replaced, catchUpPoints),
      ...store.putBlocks(blocks),
      store.deleteTail(source, seq),
    ];
  }

  function toEmptyRow(series: SeriesState): SeriesRow {
    return {
      source,
      name: series.name,
      number: series.number,
      minimum_change: series.options.minimumChange === 0 ? null : series.options.minimumChange,
      accumulates: series.options.accumulates ? 1 : 0,
      points: 0,
      first_ms: series.firstMs,
      last_ms: series.lastMs,
      last_value: series.lastValue,
      last_score: series.lastScore,
      // As its points are: those of this ingest are in the tail.
      late: 0,
      checkpoint: null,
    };
  }

  return {
    ingest,
    info: () => ({
      source,
      cursor,
      series: [...byName.values()]
        .filter((series) => series.points > 0)
        .map((series) => ({
          name: series.name,
          points: series.points,
          firstTimestampMs: series.firstMs,
          lastTimestampMs: series.lastMs,
          lastValue: series.lastValue,
          lastScore: series.lastScore,
          late: series.late,
        })),
    }),
    seriesCount: () => byName.size,
  };
}

function newSeries(name: string, number: number, options: SeriesOptions, scorer: SeriesScorer): SeriesState {
  return {
    name,
    number,
    options,
    scorer,
    points: 0,
    firstMs: 0,
    lastMs: -1,
    lastValue: 0,
    lastScore: 0,
    late: 0,
    unstoredLate: 0,
    open: { timestampsMs: [], values: [], scores: [] },
    unsealed: 0,
    foreign: undefined,
  };
}

function isSame(a: SeriesOptions, b: SeriesOptions): boolean {
  return a.minimumChange === b.minimumChange && a.accumulates === b.accumulates;
}

function toCrossing(source: string, series: string, crossing: SeriesCrossing): Crossing {
  return {
    id: `${source}/${series}@${crossing.startedAtMs}`,
    source,
    series,
    startedAtMs: crossing.startedAtMs,
    value: crossing.value,
    expected: crossing.expected,
    spread: crossing.spread,
    score: crossing.peakScore,
    direction: crossing.direction,
  };
}
