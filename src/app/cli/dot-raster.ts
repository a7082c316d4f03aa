/** A grid of dots drawn as characters: eight dots a character in braille, one in ASCII. */

export type Charset = "braille" | "ascii";

const BRAILLE_BLANK = 0x2800;
/** Bit of a dot within its character, by column and row (Unicode 15, Braille Patterns). */
const BRAILLE_BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

export interface DotRaster {
  readonly dotsWide: number;
  readonly dotsHigh: number;
  readonly columns: number;
  readonly rows: number;
  /** Dots that make one character, across. */
  readonly dotsPerColumn: number;
  /** Draws a straight line with both ends; y grows upwards. */
  line(from: Dot, to: Dot): void;
  /** The character at a place counted from the top left; a space when nothing was drawn there. */
  at(column: number, row: number): string;
}

export interface Dot {
  readonly x: number;
  readonly y: number;
}

export function createDotRaster(columns: number, rows: number, charset: Charset): DotRaster {
  const [dotsPerColumn, dotsPerRow] = charset === "braille" ? [2, 4] : [1, 1];
  const dotsWide = columns * dotsPerColumn;
  const dotsHigh = rows * dotsPerRow;
  const cells = new Uint8Array(columns * rows);
  const set = (x: number, y: number) => {
    const row = dotsHigh - 1 - y;
    const bit = charset === "braille" ? BRAILLE_BITS[x & 1]![row & 3]! : 1;
    cells[Math.floor(row / dotsPerRow) * columns + Math.floor(x / dotsPerColumn)]! |= bit;
  };
  return {
    dotsWide,
    dotsHigh,
    columns,
    rows,
    dotsPerColumn,
    line(from, to) {
      const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y));
      if (steps === 0) return set(from.x, from.y);
      for (let step = 0; step <= steps; step++) {
        const part = step / steps;
        set(Math.round(from.x + (to.x - from.x) * part), Math.round(from.y + (to.y - from.y) * part));
      }
    },
    at(column, row) {
      const cell = cells[row * columns + column]!;
      if (cell === 0) return " ";
      return charset === "braille" ? String.fromCharCode(BRAILLE_BLANK + cell) : "*";
    },
  };
}
