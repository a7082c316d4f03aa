import type { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { Caller, Priority, Trace } from "../call.ts";
import type { HandlerContext } from "../service.ts";
import type { Incoming } from "./incoming.ts";
import type { Plan } from "./plan.ts";

/** What a handler gets besides its input. The abort signal is made only when somebody asks for it: most never do. */
export class CallContext implements HandlerContext {
  /** `<service>.<procedure>`, for messages. */
  readonly name: string;
  readonly contract: string;
  readonly procedure: string;
  readonly caller: Caller;
  readonly deadlineAtMs: number;
  readonly correlationId: string;
  readonly trace: Trace;
  readonly priority: Priority;
  readonly fail: HandlerContext["fail"];
  shard = 0;
  epoch = 0;
  storeAnswer: ((answer: unknown) => CompiledQuery) | undefined = undefined;
  /** Told once when the call is aborted, before the signal. */
  onAbort: ((reason: ServiceError) => void) | undefined = undefined;
  #controller: AbortController | undefined;
  #reason: ServiceError | undefined;
  /** Why it ends as soon as it stands by. */
  #leaves: ServiceError | undefined;
  readonly #isRead: boolean;
  readonly #clock: Clock;
  #stoodByMs = 0;
  #standingBySinceMs: number | undefined;
  #waitsFor = 0;
  #waitsSinceMs = 0;
  #waitedMs = 0;

  constructor(plan: Plan, incoming: Incoming, deadlineAtMs: number, clock: Clock) {
    this.#clock = clock;
    this.#isRead = plan.procedure.method === "GET";
    this.name = plan.name;
    this.contract = plan.contract.name;
    this.procedure = plan.procedureName;
    this.caller = incoming.caller;
    this.deadlineAtMs = deadlineAtMs;
    this.correlationId = incoming.correlationId;
    this.trace = incoming.trace;
    this.priority = incoming.priority;
    this.fail = plan.fail;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  readonly standBy = async <T>(until: Promise<T>): Promise<T> => {
    this.#standingBySinceMs = this.#clock.monotonic();
    if (this.#leaves !== undefined) this.endStandBy(this.#leaves);
    try {
      return await until;
    } finally {
      this.#stoodByMs = this.stoodByMs;
      this.#standingBySinceMs = undefined;
    }
  };

  /** Ends a read when it does nothing but stand by, now or later: whoever asks another replica has lost nothing. */
  endStandBy(reason: ServiceError): void {
    if (!this.#isRead) return;
    if (this.#standingBySinceMs === undefined) this.#leaves = reason;
    else this.abort(reason);
  }

  /** How long it has stood by, also when it still does: a call may be answered at its deadline meanwhile. */
  get stoodByMs(): number {
    const sinceMs = this.#standingBySinceMs;
    return this.#stoodByMs + (sinceMs === undefined ? 0 : this.#clock.monotonic() - sinceMs);
  }

  /** Told when the handler begins to wait for a call of its own, and when that has ended. Several may be under way at once. */
  waits(change: 1 | -1): void {
    const nowMs = this.#clock.monotonic();
    if (this.#waitsFor > 0) this.#waitedMs += nowMs - this.#waitsSinceMs;
    this.#waitsFor += change;
    this.#waitsSinceMs = nowMs;
  }

  /** How long at least one call of its own has been under way: the rest of its time is its own. */
  get waitedMs(): number {
    return this.#waitedMs + (this.#waitsFor > 0 ? this.#clock.monotonic() - this.#waitsSinceMs : 0);
  }

  get abortReason(): ServiceError | undefined {
    return this.#reason;
  }

  /** Ends the call for `reason`; the first one counts. */
  abort(reason: ServiceError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.onAbort?.(reason);
    this.#controller?.abort(reason);
  }
}
