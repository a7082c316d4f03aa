/** What a command prints: data to standard output, everything else (progress, hints, errors) to standard error. */
import { styleText } from "node:util";
import type { CliError } from "./cli-error.ts";
import { asTyped } from "./command-name.ts";
import { type Column, oneLine, toTable } from "./table.ts";

type Format = Parameters<typeof styleText>[0];

export interface Stream {
  write(text: string): boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Output {
  /** True with `--json`: then `data` alone prints, one JSON document, or one a line in a stream. */
  readonly json: boolean;
  readonly width: number;
  /** Whether a person watches standard error. */
  readonly interactive: boolean;
  /** One line to standard output; nothing with `--json`. */
  line(text?: string): void;
  /** Prints one JSON value; only with `--json`. */
  data(value: unknown): void;
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void;
  /** What to do next; to standard error, nothing with `--json`. */
  hint(...lines: string[]): void;
  /** Something a person should know, though the command goes on. */
  warn(text: string): void;
  /** One of several things that failed while the command goes on; to standard error, nothing with `--json`: `data` has it. */
  failure(error: CliError): void;
  /** Raw text to standard error, for progress. */
  progress(text: string): void;
  /** Colours text when standard output is a terminal that wants it. */
  style(format: Format, text: string): string;
}

export function createOutput(options: { json: boolean; stdout: Stream; stderr: Stream }): Output {
  const { json, stdout, stderr } = options;
  const styleFor = (stream: Stream) => (format: Format, text: string) =>
    stream.isTTY === true ? styleText(format, text, { stream: stream as NodeJS.WriteStream }) : text;
  const style = styleFor(stdout);
  const width = stdout.isTTY === true ? (stdout.columns ?? 100) : 200;

  return {
    json,
    width,
    interactive: stderr.isTTY === true && !json,
    line(text = "") {
      if (!json) stdout.write(`${oneLine(text)}\n`);
    },
    data(value) {
      if (json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    table(columns, rows) {
      if (json) return;
      const limit = stdout.isTTY === true ? width : undefined;
      for (const line of toTable(columns, rows, { width: limit, title: (text) => style("dim", text) })) {
        stdout.write(`${line}\n`);
      }
    },
    hint(...lines) {
      if (json) return;
      for (const line of lines) stderr.write(`${styleFor(stderr)("cyan", asTyped(line))}\n`);
    },
    warn(text) {
      stderr.write(`${styleFor(stderr)("yellow", oneLine(text))}\n`);
    },
    failure({ message, todo }) {
      if (json) return;
      stderr.write(`${styleFor(stderr)("yellow", asTyped(oneLine(message)))}\n`);
      for (const line of todo) stderr.write(`  ${asTyped(line)}\n`);
    },
    progress(text) {
      stderr.write(text);
    },
    style,
  };
}
