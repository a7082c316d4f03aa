import { type Clock, sleep } from "#core/clock.ts";
import { isErrorCode, type ErrorCode } from "#core/error-codes.ts";
import type { Random } from "#core/random.ts";
import { isServiceError } from "#core/service-error.ts";
import { runDetached } from "../call.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { OutboxMessage } from "./outbox.ts";
import type { OutboxRow, OutboxRows } from "./outbox-rows.ts";

/** Messages taken at a time: at most so many are delivered again when the process dies before it deletes them. */
const BATCH = 64;
/** Attempts for an error that may be a defect of the receiver, which a new version of it may not have. */
const MAX_DOUBTFUL_ATTEMPTS = 12;
const BACKOFF = { firstMs: 200, longestMs: 30_000 } as const;

export interface DeliveryDeps {
  readonly rows: OutboxRows;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly count: (outcome: "delivered" | "failed" | "dead", topic: string) => void;
}

/** Delivers the messages of one topic in order, one at a time, until none is left. */
export class TopicDelivery {
  readonly #topic: string;
  readonly #send: (message: OutboxMessage) => Promise<void>;
  readonly #deps: DeliveryDeps;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  /** The message that fails at present, always the oldest, and how often it has. */
  #failing = { seq: -1, attempts: 0 };

  constructor(topic: string, send: (message: OutboxMessage) => Promise<void>, deps: DeliveryDeps) {
    this.#topic = topic;
    this.#send = send;
    this.#deps = deps;
  }

  /** There may be something to deliver. One that waits to be tried again keeps waiting. */
  kick(): void {
    if (this.#stop.signal.aborted) return;
    this.#again = true;
    // Outlives the call that kicked it, so it must not inherit that call's deadline.
    this.#running ??= runDetached(() => this.#run());
  }

  /** Ends after the delivery under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Yields once, so that `#running` is set before anything can end.
    await Promise.resolve();
    let failures = 0;
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        this.#again = (await this.#deliverBatch()) || this.#again;
        failures = 0;
      } catch (error) {
        this.#again = true;
        failures++;
        await this.#pause(failures, error);
      }
    }
    this.#running = undefined;
  }

  /** @returns whether there may be more. Throws what stopped it, with everything before that delivered and deleted. */
  async #deliverBatch(): Promise<boolean> {
    const rows = await this.#deps.rows.oldest(this.#topic, BATCH);
    const delivered: OutboxRow[] = [];
    try {
      for (const row of rows) {
        if (this.#stop.signal.aborted) break;
        if (await this.#deliverOne(row)) delivered.push(row);
      }
    } finally {
      await this.#deps.rows.delete(delivered);
    }
    return rows.length === BATCH;
  }

  /** @returns false when the message was buried instead. */
  async #deliverOne(row: OutboxRow): Promise<boolean> {
    try {
      await this.#send({ id: row.id, topic: row.topic, body: JSON.parse(row.body) as unknown });
      this.#deps.count("delivered", this.#topic);
      return true;
    } catch (error) {
      const attempts = this.#failing.seq === row.seq ? this.#failing.attempts + 1 : 1;
      this.#failing = { seq: row.seq, attempts };
      this.#deps.count("failed", this.#topic);
      const verdict = verdictOn(error);
      if (verdict === "retry" || (verdict === "doubtful" && attempts < MAX_DOUBTFUL_ATTEMPTS)) throw error;
      await this.#deps.rows.bury(row, reasonOf(error), this.#deps.clock.now());
      this.#deps.count("dead", this.#topic);
      this.#deps.log.error(
        { topic: this.#topic, messageId: row.id, attempts, err: error },
        "A message can never be delivered; it is kept in outbox_dead.",
      );
      return false;
    }
  }

  async #pause(failures: number, error: unknown): Promise<void> {
    const waitMs = backoffMs(failures, this.#deps.random);
    this.#deps.log.warn(
      { topic: this.#topic, failures, waitMs, err: error },
      "Messages wait: a delivery failed and is tried again.",
    );
    if (this.#stop.signal.aborted) return;
    // Rejects only when the outbox closes, which the loop sees by itself.
    await sleep(this.#deps.clock, waitMs, this.#stop.signal).catch(() => {});
  }
}

/** Full jitter over the upper half: many senders do not come back at once, and none at once. */
function backoffMs(failures: number, random: Random): number {
  const limitMs = Math.min(BACKOFF.longestMs, BACKOFF.firstMs * 2 ** Math.min(failures - 1, 20));
  return limitMs * (0.5 + random.next() / 2);
}

/** The receiver looked at this very message and will never take it. */
const REFUSED: ReadonlySet<ErrorCode> = new Set(["INVALID_INPUT", "MALFORMED", "TOO_LARGE", "CONFLICT", "KEY_REUSED"]);
/** Says something about this process or its set-up, not about the message: mended by a person, so worth waiting for. */
const OURS: ReadonlySet<ErrorCode> = new Set(["UNAUTHENTICATED", "FORBIDDEN", "MISDIRECTED", "EXPIRED", "CANCELLED"]);

function verdictOn(error: unknown): "retry" | "doubtful" | "refused" {
  if (!isServiceError(error)) return "doubtful";
  // A code outside the table was declared by the receiver: it understood the message and said no.
  if (!isErrorCode(error.code)) return error.retryable ? "retry" : "refused";
  if (error.retryable || OURS.has(error.code)) return "retry";
  return REFUSED.has(error.code) ? "refused" : "doubtful";
}

function reasonOf(error: unknown): string {
  if (isServiceError(error)) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
