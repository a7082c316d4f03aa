/** One series drawn for a terminal. */
import { timeLabel, valueTicks } from "./axis.ts";
import { type Charset, createDotRaster, type DotRaster } from "./dot-raster.ts";

export interface ChartPoint {
  readonly timestampMs: number;
  /** A value that is not finite is a gap. */
  readonly value: number;
}

export interface ChartOptions {
  /** Characters, labels included; at least 24. */
  readonly width: number;
  /** Lines, labels included; at least 5. */
  readonly height: number;
  /** Times that were noticed, marked under the curve. @default none */
  readonly marksMs?: readonly number[];
  /** A stretch of time to shade. @default none */
  readonly span?: { readonly fromMs: number; readonly toMs: number };
  /** ANSI colours. @default false */
  readonly isColoured?: boolean;
  /** `ascii` for terminals without Unicode. @default "braille" */
  readonly charset?: Charset;
}

const GLYPHS = {
  braille: { mark: "▲", shade: "░", side: "┤", bar: "│", floor: "─", corner: "└", tick: "┬" },
  ascii: { mark: "^", shade: ".", side: "+", bar: "|", floor: "-", corner: "+", tick: "+" },
} as const;

const COLOURS = { line: 36, mark: 31, shade: 33, label: 2 } as const;

/** A silence longer than this many median intervals is a gap in the curve. */
const GAP_INTERVALS = 5;
const LINES_PER_TICK = 3;
const MAX_LABEL_WIDTH = 12;

/**
 * Draws points as a curve with its scale on the left and UTC times below. Without a point it says so in one line.
 *
 * Points may come in any order; where several share a column, the curve covers them all, so a spike of one point stays visible.
 * Marks and spans outside the points' times are left out. Answers `height` lines of at most `width` characters, without a last line
 * end and, unless coloured, without escape sequences.
 * @throws RangeError when the size is too small for labels.
 */
export function drawChart(points: readonly ChartPoint[], options: ChartOptions): string {
  const { width, height, marksMs = [], span, isColoured = false, charset = "braille" } = options;
  if (!(Number.isInteger(width) && width >= 24 && Number.isInteger(height) && height >= 5)) {
    throw new RangeError(
      `a chart of ${width} x ${height} has no room for its labels; make it at least 24 x 5, in whole characters.`,
    );
  }
  const sorted = points
    .filter(({ timestampMs }) => Number.isFinite(timestampMs))
    .sort((a, b) => a.timestampMs - b.timestampMs);
  const frame = toFrame(sorted);
  if (!frame) return "no points";

  const glyphs = GLYPHS[charset];
  const paint = (cells: readonly Cell[]) => (isColoured ? paintRuns(cells) : cells.map(({ text }) => text).join(""));

  const hasMarks = marksMs.some((time) => isWithin(time, frame));
  const rows = height - (hasMarks ? 3 : 2);
  const ticks = labelRows(frame, rows);
  const labelWidth = Math.min(MAX_LABEL_WIDTH, Math.max(...Array.from(ticks.values(), (label) => label.length)));
  const raster = createDotRaster(width - labelWidth - 1, rows, charset);
  drawCurve(raster, sorted, frame);

  const toColumn = (time: number) => Math.floor(toX(raster, frame, time) / raster.dotsPerColumn);
  const shaded = span && toShade(frame, span, toColumn);
  const columns = Array.from({ length: raster.columns }, (_, column) => column);
  const side = (text: string): Cell => ({ kind: "label", text: text.padStart(labelWidth + 1) });

  const lines = Array.from({ length: rows }, (_, row) => {
    const label = ticks.get(row);
    const cells = columns.map((column): Cell => {
      const text = raster.at(column, row);
      if (text !== " ") return { kind: "line", text };
      return shaded && column >= shaded.from && column <= shaded.to ? { kind: "shade", text: glyphs.shade } : BLANK;
    });
    return paint([side(label === undefined ? glyphs.bar : label.slice(0, labelWidth) + glyphs.side), ...cells]);
  });
  if (hasMarks) {
    const marked = new Set(marksMs.filter((time) => isWithin(time, frame)).map(toColumn));
    const cells = columns.map((column): Cell => (marked.has(column) ? { kind: "mark", text: glyphs.mark } : BLANK));
    lines.push(paint([side(glyphs.bar), ...cells]));
  }
  const times = placeTimes(frame, raster.columns);
  const floor = columns.map((column) => (times.ticks.has(column) ? glyphs.tick : glyphs.floor)).join("");
  lines.push(paint([side(glyphs.corner), { kind: "label", text: floor }]));
  lines.push(paint([side(" "), { kind: "label", text: times.text }]));
  return lines.map((line) => line.trimEnd()).join("\n");
}

interface Cell {
  readonly kind: keyof typeof COLOURS | "blank";
  readonly text: string;
}

const BLANK: Cell = { kind: "blank", text: " " };

/** One escape sequence for each run of a kind, not for each cell. */
function paintRuns(cells: readonly Cell[]): string {
  let painted = "";
  for (let i = 0; i < cells.length; ) {
    const { kind } = cells[i]!;
    let text = "";
    for (; cells[i]?.kind === kind; i++) text += cells[i]!.text;
    painted += kind === "blank" ? text : `\u001b[${COLOURS[kind]}m${text}\u001b[0m`;
  }
  return painted;
}

/** What the edges of the drawing stand for. */
interface Frame {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly low: number;
  readonly high: number;
  readonly gapMs: number;
}

function toFrame(sorted: readonly ChartPoint[]): Frame | undefined {
  const finite = sorted.filter(({ value }) => Number.isFinite(value));
  if (finite.length === 0) return undefined;
  const intervals = sorted.slice(1).map(({ timestampMs }, i) => timestampMs - sorted[i]!.timestampMs);
  intervals.sort((a, b) => a - b);
  return {
    firstMs: sorted[0]!.timestampMs,
    lastMs: sorted.at(-1)!.timestampMs,
    low: finite.reduce((low, { value }) => Math.min(low, value), Number.POSITIVE_INFINITY),
    high: finite.reduce((high, { value }) => Math.max(high, value), Number.NEGATIVE_INFINITY),
    gapMs: GAP_INTERVALS * (intervals[intervals.length >> 1] ?? 0),
  };
}

function isWithin(time: number, { firstMs, lastMs }: Frame): boolean {
  return time >= firstMs && time <= lastMs;
}

function toX(raster: DotRaster, { firstMs, lastMs }: Frame, time: number): number {
  if (lastMs === firstMs) return Math.floor(raster.dotsWide / 2);
  return Math.round(((time - firstMs) / (lastMs - firstMs)) * (raster.dotsWide - 1));
}

/** Height of a value among `steps` places, 0 at the bottom. A constant series runs through the middle. */
function toLevel({ low, high }: Frame, value: number, steps: number): number {
  if (high === low) return Math.floor(steps / 2);
  // Halved first: the difference of two large doubles may be infinite.
  return Math.round(((value / 2 - low / 2) / (high / 2 - low / 2)) * (steps - 1));
}

function drawCurve(raster: DotRaster, sorted: readonly ChartPoint[], frame: Frame): void {
  let previous: { time: number; x: number; y: number } | undefined;
  for (const { timestampMs: time, value } of sorted) {
    if (!Number.isFinite(value)) {
      previous = undefined;
      continue;
    }
    const dot = { time, x: toX(raster, frame, time), y: toLevel(frame, value, raster.dotsHigh) };
    const isConnected = previous !== undefined && (time - previous.time <= frame.gapMs || frame.gapMs === 0);
    raster.line(isConnected ? previous! : dot, dot);
    previous = dot;
  }
}

/** Label of each row that has one, rows counted from the top. */
function labelRows(frame: Frame, rows: number): Map<number, string> {
  const labels = new Map<number, string>();
  for (const { value, label } of valueTicks(frame.low, frame.high, Math.ceil(rows / LINES_PER_TICK))) {
    // By quarters of a row, as the curve is drawn, so that a label stands beside its value.
    labels.set(rows - 1 - Math.floor(toLevel(frame, value, rows * 4) / 4), label);
  }
  return labels;
}

function toShade(frame: Frame, span: { fromMs: number; toMs: number }, toColumn: (time: number) => number) {
  if (!(span.fromMs <= frame.lastMs && span.toMs >= frame.firstMs && span.fromMs <= span.toMs)) return undefined;
  return { from: toColumn(Math.max(span.fromMs, frame.firstMs)), to: toColumn(Math.min(span.toMs, frame.lastMs)) };
}

/** As many of start, middle and end as fit, each at its tick. */
function placeTimes({ firstMs, lastMs }: Frame, columns: number): { ticks: Set<number>; text: string } {
  const spanMs = lastMs - firstMs;
  const [first, last] = [timeLabel(firstMs, spanMs), `${timeLabel(lastMs, spanMs)} UTC`];
  const room = columns - first.length - last.length;
  if (spanMs === 0 || room < 2) {
    const at = spanMs === 0 ? Math.floor(columns / 2) : 0;
    const label = [`${first} UTC`, first].find(({ length }) => length <= columns) ?? first.slice(0, columns);
    const indent = Math.max(0, Math.min(at - (label.length >> 1), columns - label.length));
    return { ticks: new Set([at]), text: " ".repeat(indent) + label };
  }
  const middle = timeLabel(firstMs + spanMs / 2, spanMs);
  const centre = Math.floor((columns - 1) / 2);
  const indent = centre - (middle.length >> 1) - first.length;
  const after = room - indent - middle.length;
  if (indent < 2 || after < 2) return { ticks: new Set([0, columns - 1]), text: first + " ".repeat(room) + last };
  return {
    ticks: new Set([0, centre, columns - 1]),
    text: first + " ".repeat(indent) + middle + " ".repeat(after) + last,
  };
}
