/** Aligned columns for a terminal. */
import { stripVTControlCharacters } from "node:util";

export interface Column {
  readonly title: string;
  /** @default "left" */
  readonly align?: "left" | "right";
  /** Longer cells are cut, with an ellipsis. The last column is cut to the width of the terminal anyway. */
  readonly maxWidth?: number;
  /** What a terminal that is too narrow for all columns does with it; by default nothing. */
  readonly whenNarrow?: "keep end" | "leave out";
}

/** What the last column should have at least before others give way; the end of an id tells it from others. */
const LAST_WIDTH = 32;
const END_WIDTH = 8;

/** Lines of a table: a title line, then one line per row. Cells may carry colours. */
export function toTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { width?: number | undefined; title?: (text: string) => string } = {},
): string[] {
  const isNarrow = isTooNarrow(columns, rows, options.width);
  const shown = [...columns.keys()].filter((i) => !isNarrow || columns[i]?.whenNarrow !== "leave out");
  return linesOf(
    shown.map((i) => columns[i] as Column),
    rows.map((row) =>
      shown.map((i) => {
        const cell = row[i] ?? "";
        return isNarrow && columns[i]?.whenNarrow === "keep end" ? `…${cell.slice(-END_WIDTH)}` : cell;
      }),
    ),
    options,
  );
}

function isTooNarrow(columns: readonly Column[], rows: readonly (readonly string[])[], width = Infinity): boolean {
  const widths = columns.map(({ title, maxWidth = Infinity }, i) =>
    Math.min(maxWidth, Math.max(...[title, ...rows.map((row) => row[i] ?? "")].map(visibleLength))),
  );
  const last = Math.min(LAST_WIDTH, widths.pop() ?? 0);
  return widths.reduce((sum, one) => sum + one + 2, last) > width;
}

function linesOf(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { width?: number | undefined; title?: (text: string) => string },
): string[] {
  const cells = rows.map((row) => columns.map(({ maxWidth }, i) => cut(oneLine(row[i] ?? ""), maxWidth)));
  const titles = columns.map(({ title }) => title);
  const widths = columns.map((_, i) => Math.max(...[titles, ...cells].map((row) => visibleLength(row[i] ?? ""))));
  const lines = [titles, ...cells].map((row) =>
    row
      .map((cell, i) => {
        const fill = " ".repeat((widths[i] ?? 0) - visibleLength(cell));
        return columns[i]?.align === "right" ? fill + cell : cell + fill;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line, i) => {
    const fitted = cut(line, options.width);
    return i === 0 && options.title !== undefined ? options.title(fitted) : fitted;
  });
}

/** Cells come from data: a line break or an escape sequence in a name must not rearrange the terminal. */
export function oneLine(text: string): string {
  // Control characters are what this is about; ESC [ … m (colours) is ours.
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f]+|\u001b(?!\[[\d;]*m)/g, " ");
}

function cut(text: string, maxWidth: number | undefined): string {
  if (maxWidth === undefined || visibleLength(text) <= maxWidth) return text;
  return `${stripVTControlCharacters(text).slice(0, Math.max(1, maxWidth - 1))}…`;
}

function visibleLength(text: string): number {
  return text.includes("\u001b") ? stripVTControlCharacters(text).length : text.length;
}
