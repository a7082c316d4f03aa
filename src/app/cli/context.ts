/** What every command gets: where to print, whom to ask, and when to stop. */
import type { Connection } from "../connect.ts";
import type { Home } from "../home.ts";
import type { ExitCode } from "./exit-code.ts";
import type { Output } from "./output.ts";

export interface CommandContext {
  readonly output: Output;
  readonly home: Home;
  /** Aborts with Ctrl-C. */
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly stdin: NodeJS.ReadableStream;
  /** The connection to the organism, opened once and closed when the command ends. @throws CliError when it does not run. */
  connect(): Promise<Connection>;
}

/** What a command was given on its line. */
export interface Invocation {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** A command's own module; loaded only when it is called. */
export interface CommandModule<I extends Invocation = Invocation> {
  run(context: CommandContext, invocation: I): Promise<ExitCode>;
}
