/** Points from CSV: `timestamp,value`, or a column a series. */
import { basename } from "node:path";
import {
  type Chunks,
  createPointSource,
  DEFAULT_BATCH_POINTS,
  type PointSink,
  type PointSource,
  type RowParser,
  whyNoSeries,
} from "./point-source.ts";
import { SourceError } from "./source-error.ts";
import { parseTimestamp, TIME_NAMES } from "./timestamp.ts";

export interface CsvOptions {
  /** The file's name, for the report. */
  readonly name: string;
  /** Series of a column named `value` or without a name. @default the file's name without folder and extension */
  readonly series?: string;
  /** @default 10_000 */
  readonly maxBatchPoints?: number;
  /** Gives each point its time as it was written. @default false */
  readonly keepTimeText?: boolean;
}

/** A record over more lines than this is taken for a stray quote: its first line is rejected, the others are read again. */
const MAX_RECORD_LINES = 64;

/** How writers spell what is a number by type and none by value. */
const NOT_FINITE = /^[+-]?(?:nan|inf(?:inity)?)$/i;

/** Columns are chosen from this many rows, or from fewer when a chunk ends first. */
const SAMPLE_ROWS = 100;

/**
 * Reads CSV (RFC 4180: quoted fields, also over several lines; LF or CRLF; a byte order mark; blank lines are skipped) of any length.
 *
 * - The first row is a header unless its time cell is a time. The time is the first column named as in `TIME_NAMES`, else the first.
 * - Every other column with a number among the first rows is a series; the others are named in the report and left out.
 * - Times: see `parseTimestamp`. Order and repeats are passed on as they are.
 * - An empty cell is a gap. A cell that is not a finite number is rejected; a row without a time, or with another number of cells than
 *   the header, is rejected whole. Rejections are counted, the first ones kept with their line, and reading goes on.
 *
 * @throws SourceError (while iterating) when there are no rows, no column of numbers, or NUL bytes.
 */
export function readCsv(chunks: Chunks, options: CsvOptions): PointSource {
  const { name, series = basename(name).replace(/\.[^.]+$/, ""), maxBatchPoints = DEFAULT_BATCH_POINTS } = options;
  const { keepTimeText = false } = options;
  return createPointSource(chunks, (sink) => csvParser(sink, { name, series }), { name, maxBatchPoints, keepTimeText });
}

interface Row {
  readonly line: number;
  readonly text: string;
  readonly cells: string[];
}

interface Layout {
  readonly width: number;
  readonly time: number;
  readonly columns: readonly { readonly index: number; readonly series: string }[];
}

function csvParser(sink: PointSink, { name, series }: { name: string; series: string }): RowParser {
  let header: string[] | undefined;
  let time = 0;
  let layout: Layout | undefined;
  const sample: Row[] = [];
  /** The lines so far of a record whose quote is still open. */
  let open: { line: number; lines: string[] } | undefined;

  const start = (row: Row) => {
    const isTime = !Number.isNaN(parseTimestamp(row.cells[0]!));
    header = isTime ? row.cells.map(() => "") : row.cells.map((cell) => cell.trim());
    time = Math.max(
      0,
      header.findIndex((cell) => TIME_NAMES.has(cell.toLowerCase())),
    );
    if (header.length < 2) {
      throw new SourceError(`"${name}" has one column, "${row.text.slice(0, 80)}".`, {
        hint: `Give it a time and at least one column of numbers, separated by commas${otherSeparator(row.text)}.`,
      });
    }
    if (isTime) add(row);
  };

  const add = (row: Row) => {
    sample.push(row);
    if (sample.length >= SAMPLE_ROWS) settle();
  };

  const settle = () => {
    if (!header || layout || sample.length === 0) return;
    layout = chooseColumns(sample, { header, time, series, sink });
    checkNames(name, layout);
    if (layout.columns.length === 0) {
      throw new SourceError(
        `"${name}" has no column of numbers beside the time; line ${sample[0]!.line} is "${sample[0]!.text.slice(0, 80)}".`,
        {
          hint: "Give it a header and at least one column of numbers, decimals with a point, separated by commas.",
        },
      );
    }
    for (const row of sample.splice(0)) use(row, layout, sink);
  };

  const record = (text: string, line: number) => {
    if (layout) {
      sink.row();
      if (layout.width === 2 && layout.time === 0 && !text.includes('"')) return usePair(text, line, layout, sink);
      return use({ line, text, cells: splitCells(text) }, layout, sink);
    }
    const row = { line, text, cells: splitCells(text) };
    if (!header) {
      start(row);
      if (sample.length > 0) sink.row();
    } else {
      sink.row();
      add(row);
    }
  };

  const takeLine = (text: string, line: number): void => {
    if (open) {
      open.lines.push(text);
      if (endsInQuotes(text, true)) {
        if (open.lines.length >= MAX_RECORD_LINES) giveUp(open);
        return;
      }
      const { lines, line: first } = open;
      open = undefined;
      return record(lines.join("\n"), first);
    }
    if (text.trim() === "") return;
    if (text.includes('"') && endsInQuotes(text, false)) open = { line, lines: [text] };
    else record(text, line);
  };

  const giveUp = ({ line, lines }: { line: number; lines: string[] }) => {
    open = undefined;
    sink.row();
    sink.reject(line, lines[0]!, "a quote is never closed");
    for (const [i, text] of lines.slice(1).entries()) takeLine(text, line + 1 + i);
  };

  return {
    onLine: takeLine,
    onChunkEnd: settle,
    onEnd() {
      while (open) giveUp(open);
      settle();
    },
  };
}

/** What a spreadsheet of another country writes. */
function otherSeparator(text: string): string {
  if (text.includes(";")) return ", not by semicolons; decimals have a point, not a comma";
  return text.includes("\t") ? ", not by tabs" : "";
}

interface ColumnChoice {
  readonly header: readonly string[];
  readonly time: number;
  readonly series: string;
  readonly sink: PointSink;
}

function chooseColumns(sample: readonly Row[], { header, time, series, sink }: ColumnChoice): Layout {
  const columns: { index: number; series: string }[] = [];
  for (const [index, name] of header.entries()) {
    if (index === time) continue;
    const cells = sample.map(({ cells }) => cells[index]?.trim() ?? "").filter((cell) => cell !== "");
    const isUsable =
      cells.length === 0 ? name !== "" : cells.some((cell) => !Number.isNaN(Number(cell)) || NOT_FINITE.test(cell));
    if (!isUsable) sink.ignoreColumn(name === "" ? `column ${index + 1}` : name);
    else columns.push({ index, series: name });
  }
  const isAlone = columns.length === 1;
  return {
    width: header.length,
    time,
    columns: columns.map(({ index, series: name }) => {
      if (name.toLowerCase() === "value" || (name === "" && isAlone)) return { index, series };
      return { index, series: name === "" ? `${series}.${index + 1}` : name };
    }),
  };
}

/** @throws SourceError for a column that cannot be a series of its own */
function checkNames(file: string, { columns }: Layout): void {
  const hint = "Correct the header: each series needs a name of its own.";
  for (const [i, { index, series }] of columns.entries()) {
    const why = whyNoSeries(series);
    if (why !== undefined) throw new SourceError(`"${file}": the name of column ${index + 1} ${why}.`, { hint });
    if (columns.findIndex((other) => other.series === series) < i)
      throw new SourceError(`"${file}" has two columns called "${series}".`, { hint });
  }
}

function use({ line, text, cells }: Row, { width, time, columns }: Layout, sink: PointSink): void {
  if (cells.length !== width)
    return sink.reject(
      line,
      text,
      `${cells.length} ${cells.length === 1 ? "cell" : "cells"} where the header has ${width}`,
    );
  const timestampMs = parseTimestamp(cells[time]!);
  if (!(timestampMs >= 0)) return sink.reject(line, text, whyNoTime(cells[time]!, timestampMs));
  for (const { index, series } of columns)
    usePoint(series, timestampMs, cells[index]!, { line, text, sink, time: cells[time]! });
}

/** The same for `timestamp,value`, without an array of cells. */
function usePair(text: string, line: number, { columns }: Layout, sink: PointSink): void {
  const comma = text.indexOf(",");
  if (comma < 0 || text.includes(",", comma + 1))
    return use({ line, text, cells: text.split(",") }, { width: 2, time: 0, columns }, sink);
  const time = text.slice(0, comma);
  const timestampMs = parseTimestamp(time);
  if (!(timestampMs >= 0)) return sink.reject(line, text, whyNoTime(time, timestampMs));
  usePoint(columns[0]!.series, timestampMs, text.slice(comma + 1), { line, text, sink, time });
}

function whyNoTime(text: string, timestampMs: number): string {
  return Number.isNaN(timestampMs) ? `"${text}" is not a time` : `"${text}" is before 1970`;
}

interface Place {
  readonly line: number;
  readonly text: string;
  readonly time: string;
  readonly sink: PointSink;
}

function usePoint(series: string, timestampMs: number, cell: string, { line, text, time, sink }: Place): void {
  const value = Number(cell);
  if (value === 0 && cell.trim() === "") return;
  // Number() also reads 0x10, which in a column of numbers is more likely an identifier.
  if (Number.isFinite(value) && !/^\s*0[xob]/i.test(cell)) sink.point(series, timestampMs, value, time);
  else sink.reject(line, text, `"${cell.trim()}" is not a finite number`);
}

/** Whether a line ends inside a quoted cell, when it begins inside one or not. */
function endsInQuotes(text: string, beginsInQuotes: boolean): boolean {
  let isInside = beginsInQuotes;
  for (let at = 0; ; ) {
    if (!isInside) {
      const quoted = text[at] === '"' ? at : text.indexOf(',"', at) + 1;
      if (quoted === 0 && text[at] !== '"') return false;
      at = quoted + 1;
    }
    at = text.indexOf('"', at);
    while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
    if (at < 0) return true;
    isInside = false;
    const comma = text.indexOf(",", at);
    if (comma < 0) return false;
    at = comma + 1;
  }
}

/** Cells of one record. A quote that is not at the start of its cell is an ordinary character, as most writers mean it. */
function splitCells(text: string): string[] {
  if (!text.includes('"')) return text.split(",");
  const cells: string[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      cells.push(text.slice(at, comma < 0 ? text.length : comma));
      at = comma < 0 ? text.length + 1 : comma + 1;
      continue;
    }
    let end = text.indexOf('"', at + 1);
    while (text[end + 1] === '"') end = text.indexOf('"', end + 2);
    const comma = end < 0 ? -1 : text.indexOf(",", end);
    cells.push(text.slice(at + 1, end < 0 ? text.length : end).replaceAll('""', '"'));
    at = comma < 0 ? text.length + 1 : comma + 1;
  }
  return cells;
}
