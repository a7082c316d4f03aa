/** What one service tells another is written in the transaction that made it true; delivery comes after. */
import type { CompiledQuery } from "kysely";

export interface OutboxMessage {
  /** Unique; receivers deduplicate by it. */
  readonly id: string;
  /** Names the delivery, such as "coordinator.reportCrossing". */
  readonly topic: string;
  /** Plain JSON. */
  readonly body: unknown;
}

export interface Outbox {
  /** The statement that stores the message; goes into the write that makes it true. */
  put(message: OutboxMessage): CompiledQuery;
  /** Call after that write has committed: delivers at once instead of at the next sweep. */
  kick(): void;
  /** Sets what delivers a topic. Delivery is at least once, in order per topic, retried with backoff until it succeeds. */
  deliver(topic: string, send: (message: OutboxMessage) => Promise<void>): void;
  /** Starts with what an earlier process left undelivered. */
  start(): Promise<void>;
  close(): Promise<void>;
}
