/** What every source of points gives: batches, and a running report of what it could not use. */
import { createLineSplitter } from "./line-splitter.ts";
import { SourceError } from "./source-error.ts";

export interface Point {
  readonly timestampMs: number;
  readonly value: number;
  /** The time as it was written, when it was asked for. */
  readonly timeText?: string;
}

export interface SeriesBatch {
  readonly series: string;
  /** In the order of the source, which is not always the order of time. */
  readonly points: Point[];
}

export interface Rejection {
  /** Counts from 1, the header included. */
  readonly line: number;
  /** The line, cut to 80 characters. */
  readonly text: string;
  readonly reason: string;
}

export interface SourceReport {
  /** The file's name, or what the caller calls the stream. */
  readonly name: string;
  /** Data rows seen, blank ones and the header not counted. */
  readonly rows: number;
  /** Points given out. */
  readonly accepted: number;
  /** Rows refused as a whole, and single cells refused in a row that was used. */
  readonly rejected: number;
  /** The first rejections, `MAX_EXAMPLES` at most. */
  readonly examples: readonly Rejection[];
  /** Columns without any number, left out. */
  readonly ignoredColumns: readonly string[];
}

/** Iterated once. The report is live: read it at any time, it is final when the iteration has ended. */
export interface PointSource extends AsyncIterable<SeriesBatch[]> {
  readonly report: SourceReport;
}

/** Text or UTF-8 bytes in pieces of any size: a file, standard input, any Node stream. */
export type Chunks = AsyncIterable<string | Uint8Array>;

export const MAX_EXAMPLES = 10;
export const DEFAULT_BATCH_POINTS = 10_000;
const EXAMPLE_LENGTH = 80;
/** As ml's contract has it. */
const MAX_NAME_LENGTH = 200;

/** Why a text cannot be the name of a series, to follow "the name"; undefined when it can. */
export function whyNoSeries(name: string): string | undefined {
  if (name.length > MAX_NAME_LENGTH) return `has ${name.length} characters, ${MAX_NAME_LENGTH} at most are taken`;
  return /\p{Cc}/u.test(name) || !name.isWellFormed() ? "has control characters" : undefined;
}

/** What a format adds: it takes lines and tells the sink what they mean. */
export interface RowParser {
  onLine(line: string, number: number): void;
  /** Called when a chunk is used up, so that nothing waits for the next one. */
  onChunkEnd?(): void;
  /** Called once, when the lines have ended. */
  onEnd?(): void;
}

export interface PointSink {
  row(): void;
  point(series: string, timestampMs: number, value: number, timeText?: string): void;
  reject(line: number, text: string, reason: string): void;
  ignoreColumn(name: string): void;
}

export interface PointSourceOptions {
  readonly name: string;
  readonly maxBatchPoints: number;
  /** @default false */
  readonly keepTimeText?: boolean;
}

/**
 * Runs a parser over chunks. A batch ends with the chunk it came from, or at `maxBatchPoints`: a live stream is passed on at once, and
 * a file never fills the memory.
 */
export function createPointSource(
  chunks: Chunks,
  toParser: (sink: PointSink) => RowParser,
  { name, maxBatchPoints, keepTimeText = false }: PointSourceOptions,
): PointSource {
  if (!(Number.isInteger(maxBatchPoints) && maxBatchPoints > 0)) {
    throw new RangeError(`maxBatchPoints is ${maxBatchPoints}; it must be a positive integer.`);
  }
  const examples: Rejection[] = [];
  const ignoredColumns: string[] = [];
  const report = { name, rows: 0, accepted: 0, rejected: 0, examples, ignoredColumns };
  const ready: SeriesBatch[][] = [];
  let open = new Map<string, Point[]>();
  let openPoints = 0;

  const flush = () => {
    if (openPoints === 0) return;
    ready.push(Array.from(open, ([series, points]) => ({ series, points })));
    open = new Map();
    openPoints = 0;
  };

  const sink: PointSink = {
    row: () => void report.rows++,
    point(series, timestampMs, value, timeText) {
      const points = open.get(series);
      const point = keepTimeText && timeText !== undefined ? { timestampMs, value, timeText } : { timestampMs, value };
      if (points) points.push(point);
      else open.set(series, [point]);
      report.accepted++;
      if (++openPoints >= maxBatchPoints) flush();
    },
    reject(line, text, reason) {
      report.rejected++;
      if (examples.length < MAX_EXAMPLES) examples.push({ line, text: text.slice(0, EXAMPLE_LENGTH), reason });
    },
    ignoreColumn: (column) => void ignoredColumns.push(column),
  };

  async function* batches(): AsyncGenerator<SeriesBatch[]> {
    const parser = toParser(sink);
    const lines = createLineSplitter({
      onLine: (line, number) => parser.onLine(line, number),
      onLongLine(start, number) {
        sink.row();
        sink.reject(number, start, "the line is longer than 1 MiB");
      },
    });
    for await (const text of toText(chunks)) {
      if (text.includes("\0")) throw binaryError(name);
      lines.push(text);
      parser.onChunkEnd?.();
      flush();
      yield* ready.splice(0);
    }
    lines.end();
    parser.onEnd?.();
    flush();
    yield* ready.splice(0);
    if (report.rows === 0) throw emptyError(name);
    if (report.accepted === 0 && report.rejected > 0) throw refusedError(report);
  }

  return { report, [Symbol.asyncIterator]: batches };
}

async function* toText(chunks: Chunks): AsyncGenerator<string> {
  // Keeps the byte order mark, so that it is dropped in one place whether text or bytes come in.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let isFirst = true;
  for await (const chunk of chunks) {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    if (text === "") continue;
    yield isFirst && text.startsWith("\uFEFF") ? text.slice(1) : text;
    isFirst = false;
  }
  const tail = decoder.decode();
  if (tail !== "") yield tail;
}

function binaryError(name: string): SourceError {
  return new SourceError(`"${name}" is not text: it contains NUL bytes.`, {
    hint: "Unpack a compressed file first; convert UTF-16 to UTF-8.",
  });
}

function emptyError(name: string): SourceError {
  return new SourceError(`"${name}" has no rows.`, { hint: "Check that whatever writes it has finished." });
}

function refusedError({ name, rejected, examples }: SourceReport): SourceError {
  const [first] = examples;
  const what =
    rejected === 1 ? "its one value or row is refused" : `all ${rejected} of its values and rows are refused`;
  return new SourceError(
    `Nothing of "${name}" can be used: ${what}, the first in line ${first?.line}: ${first?.reason}.`,
    {
      hint: "Give it times that can be read and finite numbers, decimals with a point.",
    },
  );
}
