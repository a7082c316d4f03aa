import type { Caller, Priority, Trace } from "../call.ts";

/** One call as it arrived, before anything of it is checked, whichever way it came. */
export interface Incoming {
  readonly input: unknown;
  readonly caller: Caller;
  /** Monotonic milliseconds after which nobody waits. */
  readonly deadlineAtMs: number;
  readonly correlationId: string;
  readonly trace: Trace;
  readonly priority: Priority;
  readonly idempotencyKey: string | undefined;
  /** Made by work that already has a place in this process: it shares that place, so limits cannot deadlock. */
  readonly nested: boolean;
}
