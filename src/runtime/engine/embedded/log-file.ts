import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { copyFile, stat } from "node:fs/promises";

/** @default 16 MB, with one older file beside it */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Keeps a log that other processes append to below its cap: what is there moves to `<file>.1`. They keep writing to the
 * same file, so what comes while it is copied is carried over before the cut, without giving anybody else of this process
 * a turn between. What remains is a line that another process writes in the microseconds between the last look and the cut.
 */
export async function rotateLog(file: string, maxBytes = MAX_BYTES): Promise<boolean> {
  const { size } = await stat(file).catch(() => ({ size: 0 }));
  if (size <= maxBytes) return false;
  await copyFile(file, `${file}.1`);
  const log = openSync(file, "r+");
  const older = openSync(`${file}.1`, constants.O_RDWR);
  try {
    carryOver(log, older);
    ftruncateSync(log, 0);
  } finally {
    closeSync(log);
    closeSync(older);
  }
  return true;
}

/** Appends to `older` what `log` has beyond it, until there is nothing more. */
function carryOver(log: number, older: number): void {
  let copied = fstatSync(older).size;
  const piece = Buffer.alloc(64 * 1024);
  for (;;) {
    const length = readSync(log, piece, 0, piece.length, copied);
    if (length === 0) return;
    for (let written = 0; written < length; )
      written += writeSync(older, piece, written, length - written, copied + written);
    copied += length;
  }
}
