/** Entry of the command line: reads it, runs one command, prints what failed, and exits with a code that means something. */
import { CommanderError } from "commander";
import { loadHome, variable } from "../config.ts";
import type { Connection } from "../connect.ts";
import { toCliError } from "./cli-error.ts";
import type { CommandContext } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { createOutput, type Output } from "./output.ts";
import { createProgram, type Runner } from "./program.ts";

let exitCode: ExitCode = EXIT.ok;

const run: Runner = async (load, invocation) => {
  const output = createOutput({
    // Also behind the name of a procedure, where `call` takes everything as input.
    json: invocation.options.json === true || process.argv.includes("--json"),
    stdout: process.stdout,
    stderr: process.stderr,
  });
  const interrupt = new AbortController();
  const onSignal = () => {
    // A second Ctrl-C means it.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  let connection: Promise<Connection> | undefined;
  try {
    const context: CommandContext = {
      output,
      home: loadHome(),
      signal: interrupt.signal,
      now: Date.now,
      stdin: process.stdin,
      connect: () => (connection ??= openConnection()),
    };
    const command = await load();
    exitCode = await command.run(context, invocation);
  } catch (error) {
    exitCode = interrupt.signal.aborted ? EXIT.interrupted : report(error, output);
  } finally {
    await connection?.then(
      (open) => open.close(),
      () => {},
    );
  }
};

async function openConnection(): Promise<Connection> {
  const { openCliConnection } = await import("./open-connection.ts");
  return openCliConnection();
}

function report(error: unknown, output: Output): ExitCode {
  const told = toCliError(error);
  if (output.json) process.stderr.write(`${JSON.stringify({ error: told.toData() })}\n`);
  else output.failure(told);
  if (variable("SEEDCORE_DEBUG") !== undefined) process.stderr.write(`${stacks(error)}\n`);
  return told.exitCode;
}

function stacks(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return `${error.stack}${cause === undefined ? "" : `\ncaused by ${stacks(cause)}`}`;
}

// `seedcore logs | head`: the reader has had enough, which is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(exitCode);
  throw error;
});

const program = createProgram(run, process.argv.includes("--json"));
try {
  if (process.argv.length <= 2) program.outputHelp();
  else await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else exitCode = report(error, createOutput({ json: false, stdout: process.stdout, stderr: process.stderr }));
}
process.stdout.write("", () => process.exit(exitCode));
