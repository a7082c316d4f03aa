/** Points from lines of JSON. */
import type { Clock } from "#core/clock.ts";
import {
  type Chunks,
  createPointSource,
  DEFAULT_BATCH_POINTS,
  type PointSink,
  type PointSource,
  whyNoSeries,
} from "./point-source.ts";
import { fromEpoch, parseTimestamp, TIME_NAMES } from "./timestamp.ts";

export interface NdjsonOptions {
  /** The file's name, or what to call the stream, for the report. */
  readonly name: string;
  /** Gives the time of arrival to lines without one. */
  readonly clock: Clock;
  /** @default 10_000 */
  readonly maxBatchPoints?: number;
}

/**
 * Reads one JSON object a line, of any number of lines; a line is at most 1 MiB.
 *
 * - Long: `{"series":"cpu","timestamp":1700000000000,"value":0.5}`.
 * - Wide: `{"timestamp":"2026-01-01T00:00:00Z","cpu":0.5,"mem":0.25}`; every field with a number is a series, other fields are labels and
 *   left out.
 * - The time is the first field named as in `TIME_NAMES`, a number (unit by size, see `parseTimestamp`) or text; without one it is
 *   the time of arrival, of lines that arrive together a millisecond apart: with one time all but the first would be late.
 * - `null` is a gap. Everything else is rejected with its line, and reading goes on.
 *
 * @throws SourceError (while iterating) when there are no lines or NUL bytes.
 */
export function readNdjson(chunks: Chunks, options: NdjsonOptions): PointSource {
  const { name, clock, maxBatchPoints = DEFAULT_BATCH_POINTS } = options;
  const arrivals = new Map<string, number>();
  const arrival = (series: string): number => {
    const atMs = Math.max(clock.now(), (arrivals.get(series) ?? 0) + 1);
    arrivals.set(series, atMs);
    return atMs;
  };
  return createPointSource(chunks, (sink) => ({ onLine: (text, line) => takeLine({ text, line, arrival, sink }) }), {
    name,
    maxBatchPoints,
  });
}

interface Line {
  readonly text: string;
  readonly line: number;
  /** The time of a point of a series that came without one. */
  readonly arrival: (series: string) => number;
  readonly sink: PointSink;
}

function takeLine({ text, line, arrival, sink }: Line): void {
  if (text.trim() === "") return;
  sink.row();
  const fields = parseObject(text);
  if (!fields) return sink.reject(line, text, "not a JSON object");

  const time = fields.find(([key]) => TIME_NAMES.has(key.toLowerCase()));
  const timestampMs = time === undefined ? undefined : toTimestamp(time[1]);
  if (timestampMs !== undefined && Number.isNaN(timestampMs))
    return sink.reject(line, text, `${JSON.stringify(time?.[1])} is not a time`);
  if (timestampMs !== undefined && timestampMs < 0)
    return sink.reject(line, text, `${JSON.stringify(time?.[1])} is before 1970`);

  const series = fields.find(([key]) => key === "series");
  const value = fields.find(([key]) => key === "value");
  if (series) {
    if (typeof series[1] !== "string" || series[1] === "") return sink.reject(line, text, "series is not a name");
    const why = whyNoSeries(series[1]);
    if (why !== undefined) return sink.reject(line, text, `the name of the series ${why}`);
    if (!value) return sink.reject(line, text, "a series without a value");
    if (value[1] === null) return;
    if (!isFiniteNumber(value[1])) return sink.reject(line, text, "value is not a finite number");
    return sink.point(series[1], timestampMs ?? arrival(series[1]), value[1]);
  }

  let used = 0;
  for (const [key, cell] of fields) {
    if (key === time?.[0]) continue;
    if (cell === null) used++;
    if (typeof cell !== "number") continue;
    used++;
    const why = key === "" ? "is empty" : whyNoSeries(key);
    if (why !== undefined) sink.reject(line, text, `the name of a field ${why}`);
    else if (isFiniteNumber(cell)) sink.point(key, timestampMs ?? arrival(key), cell);
    else sink.reject(line, text, `${key} is not a finite number`);
  }
  if (used === 0) sink.reject(line, text, "no field with a number");
}

/** Own fields as pairs: a key such as `__proto__` is then a name like any other. */
function parseObject(text: string): [string, unknown][] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? Object.entries(parsed) : undefined;
  } catch {
    return undefined;
  }
}

function toTimestamp(time: unknown): number {
  if (typeof time === "number") return fromEpoch(time);
  return typeof time === "string" ? parseTimestamp(time) : Number.NaN;
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}
