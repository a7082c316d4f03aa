/** Reads one file, or standard input, and sends it to ml. */
import { systemClock } from "#core/clock.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Connection } from "../../connect.ts";
import { readCsv } from "../../sources/csv.ts";
import { readNdjson } from "../../sources/ndjson.ts";
import type { PointSource, SourceReport } from "../../sources/point-source.ts";
import { openTextFile } from "../../sources/text-file.ts";
import type { FileSource, WatchPlan } from "./arguments.ts";
import { feed, type FeedResult } from "./feed.ts";
import { fingerprint, storedPoints, toCursor } from "./file-cursor.ts";
import { insist } from "./insist.ts";
import { replay } from "./replay.ts";

export interface WatchedFile {
  readonly file: FileSource;
  readonly report: SourceReport;
  readonly result: FeedResult;
}

export interface WatchFileOptions {
  readonly plan: WatchPlan;
  readonly stdin: NodeJS.ReadableStream;
  readonly signal: AbortSignal;
  /** @param characters how much of the file is stored, which are bytes in nearly all files; a guess from its points */
  readonly onAcknowledged: (result: FeedResult, crossings: readonly Crossing[], characters: number) => void;
}

/** @throws SourceError when it cannot be read, ServiceError when ml does not take it */
export async function watchFile(
  file: FileSource,
  connection: Connection,
  options: WatchFileOptions,
): Promise<WatchedFile> {
  const { plan, signal } = options;
  const ml = connection.getServiceClient("ml");
  const isStdin = file.path === "-";
  const isPaced = Number.isFinite(plan.speed) && !isStdin;
  let read = 0;
  const onRead = (characters: number) => void (read += characters);
  const points = isStdin ? readStdin(options.stdin, signal) : await openCsv(file.path, isPaced, onRead);
  const print = isStdin ? undefined : await fingerprint(file.path);
  const known = await insist(() => ml.source.try({ source: file.source }, { signal }), systemClock, signal);
  const skipPoints = known.ok ? storedPoints(known.value.cursor, print) : 0;
  const result = await feed(
    isPaced ? replay(points, { speed: plan.speed, skipPoints, clock: systemClock, signal }) : points,
    {
      source: file.source,
      minimumChange: plan.minimumChange,
      skipPoints,
      toCursor: (count) => toCursor(print, count),
      // A file is read ahead of what is stored, a replayed one far ahead.
      onAcknowledged: (now, crossings) =>
        options.onAcknowledged(now, crossings, (read * now.points) / Math.max(1, points.report.accepted)),
      signal,
    },
    { clock: systemClock, ml },
  );
  return { file, report: points.report, result };
}

async function openCsv(path: string, isPaced: boolean, onRead: (read: number) => void): Promise<PointSource> {
  const chunks = await openTextFile(path, onRead);
  // A paced replay waits for single points; a fast one wants few large batches.
  return readCsv(chunks, { name: path, series: "value", ...(isPaced ? { maxBatchPoints: 1 } : {}) });
}

function readStdin(stdin: NodeJS.ReadableStream, signal: AbortSignal): PointSource {
  return readNdjson(untilAborted(stdin, signal), { name: "standard input", clock: systemClock });
}

/** Ends with Ctrl-C, though whoever writes goes on. */
async function* untilAborted(stdin: NodeJS.ReadableStream, signal: AbortSignal): AsyncGenerator<string | Uint8Array> {
  const stop = () => (stdin as NodeJS.ReadStream).destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stdin) yield chunk;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
