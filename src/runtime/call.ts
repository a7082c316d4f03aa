/** What travels with every call: who asks, until when, as part of what. Headers carry it between processes. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Scope } from "#core/contract.ts";

export interface Caller {
  /** The token's subject: a person, or `service:<name>` for one of ours. */
  readonly subject: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** Under pressure lower classes are refused first. The organism's own background work is `background`. */
export type Priority = "critical" | "normal" | "background";

/** W3C trace context: 32 and 16 hexadecimal digits. */
export interface Trace {
  readonly traceId: string;
  readonly spanId: string;
  readonly sampled: boolean;
}

/** The call that the current code works for; outgoing calls inherit from it. */
export interface Call {
  readonly contract: string;
  readonly procedure: string;
  readonly caller: Caller;
  /** Monotonic milliseconds after which nobody waits for the answer. */
  readonly deadlineAtMs: number;
  readonly correlationId: string;
  readonly trace: Trace;
  readonly priority: Priority;
  /** Aborts when the deadline passes, the caller goes away, or the host's drain time is over. */
  readonly signal: AbortSignal;
}

const storage = new AsyncLocalStorage<Call>();

export function currentCall(): Call | undefined {
  return storage.getStore();
}

/** Runs `work` for `call`: logs carry its ids and outgoing calls inherit its deadline and trace. */
export function runInCall<T>(call: Call, work: () => T): T {
  return storage.run(call, work);
}

/** Runs `work` for no call: for background work that is started inside one and outlives it. */
export function runDetached<T>(work: () => T): T {
  return storage.exit(work);
}

/** Header names, lower case, on every hop. */
export const HEADERS = {
  /** Request: milliseconds that are left, relative, since clocks of machines differ. */
  deadline: "x-seedcore-deadline-ms",
  correlation: "x-correlation-id",
  trace: "traceparent",
  priority: "x-seedcore-priority",
  /** Request: present on calls made inside another call; only the first caller retries. */
  hop: "x-seedcore-hop",
  idempotencyKey: "idempotency-key",
  /** Answer: `<calls in flight>/<limit>` of the replica, which is how balancers learn it. */
  load: "x-seedcore-load",
  /** Answer: the replica that answered. */
  replica: "x-seedcore-replica",
} as const;
