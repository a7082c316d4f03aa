import { columnTypes } from "./builder.ts";
import type { Schema } from "./migration.ts";

export interface OutboxTables {
  outbox: { seq: number; owner: string; id: string; topic: string; body: string; created_ms: number };
  /** What its receiver refused for good; kept for a person to look at. */
  outbox_dead: {
    owner: string;
    id: string;
    topic: string;
    body: string;
    created_ms: number;
    died_ms: number;
    reason: string;
  };
}

/** Add it to the schemas of every database whose writes put messages. */
export const outboxSchema: Schema = {
  owner: "outbox",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema
          .createTable("outbox")
          .addColumn("seq", columnTypes(builder).sequence, (column) => column.primaryKey())
          .addColumn("owner", "text", (column) => column.notNull())
          .addColumn("id", "text", (column) => column.notNull())
          .addColumn("topic", "text", (column) => column.notNull())
          .addColumn("body", "text", (column) => column.notNull())
          .addColumn("created_ms", "bigint", (column) => column.notNull())
          .addUniqueConstraint("outbox_id", ["owner", "id"])
          .compile(),
        builder.schema.createIndex("outbox_topic").on("outbox").columns(["owner", "topic", "seq"]).compile(),
        builder.schema
          .createTable("outbox_dead")
          .addColumn("owner", "text", (column) => column.notNull())
          .addColumn("id", "text", (column) => column.notNull())
          .addColumn("topic", "text", (column) => column.notNull())
          .addColumn("body", "text", (column) => column.notNull())
          .addColumn("created_ms", "bigint", (column) => column.notNull())
          .addColumn("died_ms", "bigint", (column) => column.notNull())
          .addColumn("reason", "text", (column) => column.notNull())
          .addPrimaryKeyConstraint("outbox_dead_key", ["owner", "id"])
          .compile(),
      ],
    },
  ],
};
