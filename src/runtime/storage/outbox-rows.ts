import type { CompiledQuery } from "kysely";
import { createBuilder } from "./builder.ts";
import type { Database } from "./database.ts";
import type { OutboxMessage } from "./outbox.ts";
import type { OutboxTables } from "./outbox-schema.ts";

export type OutboxRow = OutboxTables["outbox"];

/** The rows of one owner's outbox. */
export interface OutboxRows {
  insert(message: OutboxMessage, nowMs: number): CompiledQuery;
  /** The oldest of a topic, at most `limit`. */
  oldest(topic: string, limit: number): Promise<OutboxRow[]>;
  countByTopic(): Promise<readonly { readonly topic: string; readonly count: number }[]>;
  delete(rows: readonly OutboxRow[]): Promise<void>;
  /** Moves one to the dead. */
  bury(row: OutboxRow, reason: string, nowMs: number): Promise<void>;
}

export function createOutboxRows(db: Database, owner: string): OutboxRows {
  const builder = createBuilder<OutboxTables>(db.dialect);
  const deletion = (rows: readonly OutboxRow[]) =>
    builder
      .deleteFrom("outbox")
      .where(
        "seq",
        "in",
        rows.map((row) => row.seq),
      )
      .compile();

  return {
    insert({ id, topic, body }, nowMs) {
      return builder
        .insertInto("outbox")
        .columns(["owner", "id", "topic", "body", "created_ms"])
        .values({ owner, id, topic, body: JSON.stringify(body ?? null), created_ms: nowMs } as OutboxRow)
        .onConflict((conflict) => conflict.columns(["owner", "id"]).doNothing())
        .compile();
    },
    oldest(topic, limit) {
      return db.read(
        builder
          .selectFrom("outbox")
          .selectAll()
          .where("owner", "=", owner)
          .where("topic", "=", topic)
          .orderBy("seq")
          .limit(limit)
          .compile(),
      );
    },
    async countByTopic() {
      return db.read(
        builder
          .selectFrom("outbox")
          .select(["topic", (eb) => eb.fn.countAll<number>().as("count")])
          .where("owner", "=", owner)
          .groupBy("topic")
          .compile(),
      );
    },
    async delete(rows) {
      if (rows.length > 0) await db.write([deletion(rows)]);
    },
    async bury({ seq: _seq, ...row }, reason, nowMs) {
      const dead = builder
        .insertInto("outbox_dead")
        .values({ ...row, reason, died_ms: nowMs })
        .onConflict((conflict) => conflict.columns(["owner", "id"]).doNothing())
        .compile();
      await db.write([dead, deletion([{ ...row, seq: _seq }])]);
    },
  };
}
