import { ERROR_CODES, isErrorCode } from "#core/error-codes.ts";
import { isServiceError } from "#core/service-error.ts";
import { ConfigError } from "../config.ts";
import { SourceError } from "../sources/source-error.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";

/** A failure as a person is told it: what was given and why it cannot work, then what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;
  /** What to do, one line each. */
  readonly todo: readonly string[];
  readonly exitCode: ExitCode;

  constructor(
    message: string,
    options: { code?: string; todo?: readonly string[]; exitCode?: ExitCode; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code ?? "FAILED";
    this.todo = options.todo ?? [];
    this.exitCode = options.exitCode ?? EXIT.failed;
  }

  /** As `--json` prints it. */
  toData(): { code: string; message: string; todo: readonly string[] } {
    const { code, message, todo } = this;
    return { code, message, todo };
  }

  /** The same with one more thing to do or to know. */
  with(todo: string): CliError {
    const { message, code, exitCode, cause } = this;
    return new CliError(message, { code, todo: [...this.todo, todo], exitCode, cause });
  }
}

/** The command line is wrong. */
export function usageError(message: string, ...todo: string[]): CliError {
  return new CliError(message, { code: "USAGE", todo, exitCode: EXIT.usage });
}

/** Any thrown value as what a person is told. */
export function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) {
    return new CliError("The configuration cannot be used.", { code: "CONFIG", todo: error.problems, cause: error });
  }
  if (error instanceof SourceError) {
    return new CliError(error.message, { code: "SOURCE", todo: [error.hint], cause: error });
  }
  if (isServiceError(error)) {
    const todo = isErrorCode(error.code) ? [ERROR_CODES[error.code].todo] : [];
    return new CliError(`${error.message} (${error.code})`, {
      code: error.code,
      todo: [...issuesOf(error.data), ...todo],
      cause: error,
    });
  }
  const failure = error instanceof Error ? error : new Error(String(error));
  const { code } = failure as NodeJS.ErrnoException;
  return new CliError(failure.message, { code: code ?? "FAILED", cause: failure });
}

/** Field errors of INVALID_INPUT and BAD_PARAMS. */
function issuesOf(data: unknown): string[] {
  if (typeof data !== "object" || data === null || !("issues" in data) || !Array.isArray(data.issues)) return [];
  return data.issues.map((issue: unknown) => {
    if (typeof issue === "string") return issue;
    const { path, message } = issue as { path?: readonly string[] | string; message?: string };
    return `${typeof path === "string" ? path : (path ?? []).join(".")}: ${message}`;
  });
}
