import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { nearestName } from "../../nearest-name.ts";
import { CliError } from "../cli-error.ts";
import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatLogLine, isAtLeast, timeOf } from "../log-line.ts";
import { followLines, lastLines } from "../log-tail.ts";
import { toInteger } from "../options.ts";

export type LogsOptions = { readonly follow?: boolean; readonly lines: string; readonly level?: string };

export interface LogsInvocation extends Invocation {
  readonly options: LogsOptions;
}

/** `logs [HOST]`: the log files in the data directory, which are there whether the organism runs or not. */
export async function run(context: CommandContext, { args, options }: LogsInvocation): Promise<ExitCode> {
  const { output, home, signal } = context;
  const files = logFiles(home.logsDir, args[0]);
  const isWanted = (line: string) => options.level === undefined || isAtLeast(line, options.level);
  const print = (host: string, line: string) => {
    if (output.json) process.stdout.write(`${line}\n`);
    else output.line(formatLogLine(line, host, (format, text) => output.style(format, text)));
  };

  const count = toInteger("--lines", options.lines, 0, 100_000);
  const newest = files
    .flatMap(({ host, path }) =>
      lastLines(path, count, isWanted).map((line, i) => ({ host, line, i, atMs: timeOf(line) })),
    )
    .sort((a, b) => a.atMs - b.atMs || a.i - b.i);
  for (const { host, line } of newest.slice(Math.max(0, newest.length - count))) print(host, line);
  if (options.follow !== true) {
    output.hint(newest.length === 0 ? "No such line yet." : "", "Next: seedcore logs --follow");
    return EXIT.ok;
  }
  await Promise.all(
    files.map(({ host, path }) =>
      followLines(path, signal, (line) => {
        if (isWanted(line)) print(host, line);
      }),
    ),
  );
  return EXIT.ok;
}

interface LogFile {
  readonly host: string;
  readonly path: string;
}

function logFiles(directory: string, host: string | undefined): LogFile[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith(".log"));
  } catch (error) {
    throw new CliError(`There are no logs: ${directory} cannot be read.`, {
      code: "NO_LOGS",
      todo: ["They are written from the first start on: seedcore up"],
      cause: error,
    });
  }
  const files = names.sort().map((name) => ({ host: basename(name, ".log"), path: join(directory, name) }));
  if (host === undefined) return files;
  const chosen = files.filter((file) => file.host === host);
  if (chosen.length > 0) return chosen;
  const hosts = files.map((file) => file.host);
  const near = nearestName(host, hosts);
  throw new CliError(`There is no log of a host "${host}".`, {
    code: "UNKNOWN_HOST",
    todo: [near === undefined ? `There are: ${hosts.join(", ")}.` : `Did you mean "${near}"?`],
  });
}
