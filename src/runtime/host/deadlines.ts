import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { CallContext } from "./call-context.ts";

/**
 * Aborts calls at their deadlines, with one timer for all: nearly every call ends long before, and setting and clearing
 * a timer of its own would cost more than all other bookkeeping about it.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #running: ReadonlySet<CallContext>;
  /** When the timer fires; it is not set back when the call it was set for ends. */
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #stopTimer = () => {};

  constructor(clock: Clock, running: ReadonlySet<CallContext>) {
    this.#clock = clock;
    this.#running = running;
  }

  /** From now on a running call with this deadline ends by it. */
  keep(deadlineAtMs: number): void {
    if (deadlineAtMs >= this.#wakesAtMs) return;
    this.#stopTimer();
    this.#wakesAtMs = deadlineAtMs;
    const remainingMs = Math.max(0, Math.ceil(deadlineAtMs - this.#clock.monotonic()));
    this.#stopTimer = this.#clock.after(remainingMs, () => this.#expire());
  }

  close(): void {
    this.#stopTimer();
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
  }

  #expire(): void {
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonic();
    for (const context of this.#running) {
      if (context.abortReason !== undefined) continue;
      if (context.deadlineAtMs > nowMs) this.keep(context.deadlineAtMs);
      else context.abort(new ServiceError("DEADLINE", `${context.name} did not end before its deadline.`));
    }
  }
}
