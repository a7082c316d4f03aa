/** How sure causes were that were acted on, and whether they were right. */
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import type { Outcome } from "./calibration.ts";

interface Tables {
  readonly cognitive_outcomes: {
    readonly action_id: string;
    /** Before recalibration. */
    readonly confidence: number;
    /** 1 or 0. */
    readonly was_right: number;
    readonly at_ms: number;
  };
}

export const cognitiveSchema: Schema = {
  owner: "cognitive",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (q) => [
        q.schema
          .createTable("cognitive_predictions")
          .addColumn("incident_id", "text", (c) => c.primaryKey())
          .addColumn("confidence", "double precision", (c) => c.notNull())
          .addColumn("was_right", "integer")
          .addColumn("at_ms", "bigint", (c) => c.notNull())
          .compile(),
        q.schema.createIndex("cognitive_predictions_time").on("cognitive_predictions").column("at_ms").compile(),
      ],
    },
    {
      version: 2,
      oldestCompatible: 1,
      // Nothing is taken over: version 1 judged what was thought last of an incident, not what was acted on.
      statements: (q) => [
        q.schema
          .createTable("cognitive_outcomes")
          .addColumn("action_id", "text", (c) => c.primaryKey())
          .addColumn("confidence", "double precision", (c) => c.notNull())
          .addColumn("was_right", "integer", (c) => c.notNull())
          .addColumn("at_ms", "bigint", (c) => c.notNull())
          .compile(),
        q.schema.createIndex("cognitive_outcomes_time").on("cognitive_outcomes").column("at_ms").compile(),
      ],
    },
  ],
};

/** What was right long ago says little of today. */
const MOST_OUTCOMES = 2_000;
const KEPT_MS = 365 * 86_400_000;

export type CognitiveStore = ReturnType<typeof createCognitiveStore>;

export function createCognitiveStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);
  return {
    /** Whether it says something new of this action; what was said last stands. */
    async put(actionId: string, { raw, wasRight }: Outcome, atMs: number): Promise<boolean> {
      const [result] = await db.write([
        q
          .insertInto("cognitive_outcomes")
          .values({ action_id: actionId, confidence: raw, was_right: Number(wasRight), at_ms: atMs })
          .onConflict((c) =>
            c
              .column("action_id")
              .doUpdateSet({ was_right: Number(wasRight), at_ms: atMs })
              .where("cognitive_outcomes.was_right", "!=", Number(wasRight)),
          )
          .compile(),
        q
          .deleteFrom("cognitive_outcomes")
          .where("at_ms", "<", atMs - KEPT_MS)
          .compile(),
      ]);
      return (result?.rowCount ?? 0) > 0;
    },

    async outcomes(): Promise<Outcome[]> {
      const query = q
        .selectFrom("cognitive_outcomes")
        .select(["confidence", "was_right"])
        .orderBy("at_ms", "desc")
        .orderBy("action_id")
        .limit(MOST_OUTCOMES);
      return (await db.read(query.compile())).map((row) => ({ raw: row.confidence, wasRight: row.was_right === 1 }));
    },
  };
}
