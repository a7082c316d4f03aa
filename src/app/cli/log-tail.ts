/** The end of a log file, and what is added to it. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { sleep, systemClock } from "#core/clock.ts";

/** Enough for thousands of lines; a log is at most some 16 MB. */
const TAIL_BYTES = 4 * 1024 * 1024;
const LOOK_EVERY_MS = 250;

export function lastLines(path: string, count: number, isWanted: (line: string) => boolean): string[] {
  const { size } = statSync(path);
  const start = Math.max(0, size - TAIL_BYTES);
  const lines = readRange(path, start, size).toString("utf8").split("\n");
  // The first may be the end of a line, the last is what follows the last line's end.
  const whole = lines.slice(start === 0 ? 0 : 1).filter((line) => line !== "");
  const wanted = whole.filter(isWanted);
  return wanted.slice(Math.max(0, wanted.length - count));
}

/** Calls `onLine` for every line that is added, until the signal aborts. A file that became shorter is read anew. */
export async function followLines(path: string, signal: AbortSignal, onLine: (line: string) => void): Promise<void> {
  let offset = statSync(path).size;
  while (!signal.aborted) {
    await sleep(systemClock, LOOK_EVERY_MS, signal).catch(() => {});
    const { size } = statSync(path);
    if (size < offset) offset = 0;
    const added = readRange(path, offset, size);
    // Whole lines only: what is being written now is read at the next look.
    const end = added.lastIndexOf(0x0a) + 1;
    offset += end;
    for (const line of added.toString("utf8", 0, end).split("\n")) if (line !== "") onLine(line);
  }
}

function readRange(path: string, start: number, end: number): Buffer {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(end - start);
    const length = readSync(file, buffer, 0, buffer.length, start);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
