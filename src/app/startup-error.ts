import type { Phase, RunFile } from "./run-file.ts";

/** A step of the start that failed: which, why, and what to do. Nothing is left half-started. */
export class StartupError extends Error {
  override readonly name = "StartupError";
  readonly phase: Phase;
  readonly todo: readonly string[];

  constructor(phase: Phase, message: string, todo: readonly string[], cause?: unknown) {
    super(message, { cause });
    this.phase = phase;
    this.todo = todo;
  }
}

/** Somebody runs this namespace already. */
export class AlreadyRunningError extends Error {
  override readonly name = "AlreadyRunningError";
  /** Undefined while the other is still starting. */
  readonly run: RunFile | undefined;

  constructor(namespace: string, run: RunFile | undefined) {
    const who =
      run === undefined
        ? "another process is starting it now"
        : `pid ${run.pid}, ${run.gatewayUrl}, since ${new Date(run.startedAtMs).toISOString()}`;
    super(`The organism "${namespace}" runs already: ${who}.`);
    this.run = run;
  }
}
