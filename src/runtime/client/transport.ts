/** The seam under every client: how one call travels. Implementations: direct (to replicas), gateway, local, memory. */
import type { Contract, Procedure } from "#core/contract.ts";
import type { Priority, Trace } from "../call.ts";

export interface OutgoingCall {
  readonly contract: Contract;
  readonly name: string;
  readonly procedure: Procedure;
  readonly input: Readonly<Record<string, unknown>>;
  /** Monotonic milliseconds (of the client's clock) after which the answer is of no use. */
  readonly deadlineAtMs: number;
  readonly correlationId: string;
  readonly trace: Trace;
  readonly priority: Priority;
  readonly idempotencyKey: string | undefined;
  /** True when made inside another call: then only what certainly did not start is repeated. */
  readonly inner: boolean;
  /** The caller's own signal joined with the deadline. */
  readonly signal: AbortSignal;
  /** For a stream: its answer has begun. The deadline counts no longer, however long the first event takes. */
  readonly opened?: () => void;
}

export interface Transport {
  /** Resolves with the raw answer (not yet validated). @throws ServiceError for everything else. */
  call(call: OutgoingCall): Promise<unknown>;
  /** Yields the events of a streaming procedure; ending the iteration early cancels the call. */
  stream(call: OutgoingCall): AsyncIterable<unknown>;
  /** Whether at least one replica of the service answers its readiness check. Never throws. */
  isHealthy(contract: Contract): Promise<boolean>;
  close(): Promise<void>;
}
