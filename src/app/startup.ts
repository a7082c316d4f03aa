/**
 * The order of a start. What a phase needs is what one before it returned, so the compiler refuses to make a part too
 * early; that the phases themselves come in their order is checked when they run. What a phase has made is undone, newest
 * first, when a later one fails.
 */

import { ConfigError } from "./config.ts";
import type { Phase } from "./run-file.ts";
import { AlreadyRunningError, StartupError } from "./startup-error.ts";

export const PHASES: readonly Phase[] = ["configured", "connected", "migrated", "bootstrapped", "deployed", "ready"];

export interface PhaseReport {
  readonly phase: Phase;
  readonly durationMs: number;
  /** What was done, in a few words. */
  readonly detail: string;
}

/** Takes back what was done so far. Runs each task even when an earlier one fails. */
export class Undo {
  readonly #tasks: (() => Promise<void> | void)[] = [];

  add(task: () => Promise<void> | void): void {
    this.#tasks.push(task);
  }

  /** @throws the first failure, after every task has run. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (const task of this.#tasks.splice(0).reverse()) {
      try {
        await task();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

function saysItItself(error: unknown): boolean {
  return error instanceof StartupError || error instanceof AlreadyRunningError || error instanceof ConfigError;
}

export interface PhaseRunner {
  /** Runs one phase. @throws StartupError saying which failed, after everything before it was undone. */
  phase<T>(phase: Phase, work: () => Promise<{ readonly value: T; readonly detail: string }>): Promise<T>;
}

export interface PhaseRunnerOptions {
  readonly undo: Undo;
  readonly monotonic: () => number;
  report(report: PhaseReport): void;
  /** What to do about a failure that does not say it itself. */
  advise(error: unknown): readonly string[];
  /** The start is called off. */
  readonly signal: AbortSignal;
}

export function createPhaseRunner({ undo, monotonic, report, advise, signal }: PhaseRunnerOptions): PhaseRunner {
  let next = 0;
  return {
    async phase(phase, work) {
      if (PHASES[next] !== phase) throw new TypeError(`"${phase}" cannot come now: it is time for "${PHASES[next]}".`);
      const startedAt = monotonic();
      try {
        signal.throwIfAborted();
        const { value, detail } = await work();
        next++;
        report({ phase, durationMs: monotonic() - startedAt, detail });
        return value;
      } catch (error) {
        await undo
          .run()
          .catch((failure: Error) => report({ phase, durationMs: 0, detail: `and then: ${failure.message}` }));
        if (signal.aborted || saysItItself(error)) throw error;
        throw new StartupError(phase, (error as Error).message, advise(error), error);
      }
    },
  };
}
