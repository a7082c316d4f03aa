import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/**
 * The line a person can act on among what a program that is starting has written: its first record of an error, else as
 * {@link lastWords} has it.
 */
export function firstComplaint(file: string, from: number): string | undefined {
  const record = tailOf(file, from)
    .split("\n")
    .find((line) => line.startsWith('{"level":"error"'));
  return (record === undefined ? undefined : wordsOf(record)) ?? lastWords(file, from);
}

type Cause = string | { readonly message?: string };
interface LogRecord {
  readonly msg?: string;
  readonly error?: Cause;
  readonly err?: Cause;
}

function wordsOf(record: string): string | undefined {
  try {
    const { msg, error, err } = JSON.parse(record) as LogRecord;
    const cause = error ?? err;
    const detail = typeof cause === "object" ? cause.message : cause;
    return [msg, detail]
      .filter((part) => part !== undefined)
      .join(": ")
      .slice(0, MAX_LENGTH);
  } catch {
    return undefined;
  }
}

const MAX_BYTES = 16 * 1024;
const MAX_LENGTH = 300;

/**
 * The line a person can act on among what was written to a log after its first `from` bytes by a program that then
 * ended: its error's, else the first that is neither a log record nor a warning of Node's. Undefined without one.
 */
export function lastWords(file: string, from: number): string | undefined {
  const lines = tailOf(file, from)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(\{|\(node:|\(Use `node|Node\.js v)/.test(line));
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[0])?.slice(0, MAX_LENGTH);
}

function tailOf(path: string, from: number): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return "";
  }
  try {
    const { size } = fstatSync(file);
    // A log that was cut meanwhile begins anew.
    const first = size < from ? 0 : from;
    const start = Math.max(first, size - MAX_BYTES);
    const bytes = Buffer.alloc(size - start);
    const text = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, start)).toString();
    // Half a line says nothing.
    return start === first ? text : text.slice(text.indexOf("\n") + 1);
  } finally {
    closeSync(file);
  }
}
