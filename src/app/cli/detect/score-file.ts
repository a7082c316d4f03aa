/** Scores one file as the organism would have scored its points as they came. */
import { basename, dirname, resolve } from "node:path";
import { createSeriesScorer, type SeriesScorer } from "#services/ml/series-scorer.ts";
import { readCsv } from "../../sources/csv.ts";
import type { SourceReport } from "../../sources/point-source.ts";
import { openTextFile } from "../../sources/text-file.ts";
import type { Noticed } from "../watch/summary.ts";

export interface ScoredSeries {
  readonly name: string;
  /** Columns of equal length, in the order of the file. */
  readonly timeTexts: string[];
  readonly timestampsMs: number[];
  readonly values: number[];
  /** 0 where a point was late: not after the one before it, so it was not scored. */
  readonly scores: number[];
}

export interface ScoredFile {
  readonly path: string;
  /** Name of the folder it lies in. */
  readonly group: string;
  /** Without `.csv`. */
  readonly name: string;
  readonly report: SourceReport;
  readonly late: number;
  readonly series: readonly ScoredSeries[];
  readonly noticed: readonly Noticed[];
}

export interface ScoreOptions {
  readonly minimumChange?: number | undefined;
  readonly signal: AbortSignal;
  /** @param characters read of the file so far, which are bytes in nearly all files */
  readonly onRows?: (rows: number, characters: number) => void;
}

interface Scoring extends ScoredSeries {
  readonly scorer: SeriesScorer;
  newestMs: number;
}

/** @throws SourceError when it cannot be read; the signal's reason when it aborts */
export async function scoreFile(path: string, options: ScoreOptions): Promise<ScoredFile> {
  const name = basename(path).replace(/\.csv$/i, "");
  let read = 0;
  const onRead = (characters: number) => void (read += characters);
  const points = readCsv(await openTextFile(path, onRead), { name: path, series: "value", keepTimeText: true });
  const series = new Map<string, Scoring>();
  const noticed: Noticed[] = [];
  let late = 0;

  const open = (seriesName: string): Scoring => {
    const { minimumChange } = options;
    const scorer = createSeriesScorer(minimumChange === undefined ? {} : { minimumChange });
    const opened = {
      name: seriesName,
      timeTexts: [],
      timestampsMs: [],
      values: [],
      scores: [],
      scorer,
      newestMs: -Infinity,
    };
    series.set(seriesName, opened);
    return opened;
  };

  for await (const batch of points) {
    options.signal.throwIfAborted();
    for (const { series: seriesName, points: given } of batch) {
      const own = series.get(seriesName) ?? open(seriesName);
      for (const { timestampMs, value, timeText } of given) {
        own.timeTexts.push(timeText ?? "");
        own.timestampsMs.push(timestampMs);
        own.values.push(value);
        if (timestampMs <= own.newestMs) {
          late++;
          own.scores.push(0);
          continue;
        }
        own.newestMs = timestampMs;
        const { score, crossing } = own.scorer.update(value, timestampMs);
        own.scores.push(score);
        if (crossing !== undefined) noticed.push({ ...crossing, series: `${name}/${seriesName}` });
      }
    }
    options.onRows?.(points.report.rows, read);
  }
  const group = basename(dirname(resolve(path)));
  return { path, group, name, report: points.report, late, series: [...series.values()].map(toScored), noticed };
}

function toScored({ name, timeTexts, timestampsMs, values, scores }: Scoring): ScoredSeries {
  return { name, timeTexts, timestampsMs, values, scores };
}
