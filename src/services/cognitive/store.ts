/** What was said of incidents, and whether it was right. */
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import type { Outcome } from "./calibration.ts";

interface Tables {
  readonly cognitive_predictions: {
    readonly incident_id: string;
    readonly confidence: number;
    /** 1, 0, or null while nobody knows. */
    readonly was_right: number | null;
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
  ],
};

/** What was right long ago says little of today. */
const MOST_OUTCOMES = 2_000;
const KEPT_MS = 365 * 86_400_000;

export type CognitiveStore = ReturnType<typeof createCognitiveStore>;

export function createCognitiveStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);
  return {
    /** What is said now counts, until its outcome is known: what is said after that is no prediction. */
    async predict(incidentId: string, confidence: number, atMs: number): Promise<void> {
      await db.write([
        q
          .insertInto("cognitive_predictions")
          .values({ incident_id: incidentId, confidence, was_right: null, at_ms: atMs })
          .onConflict((c) =>
            c
              .column("incident_id")
              .doUpdateSet({ confidence, at_ms: atMs })
              .where("cognitive_predictions.was_right", "is", null),
          )
          .compile(),
        q
          .deleteFrom("cognitive_predictions")
          .where("at_ms", "<", atMs - KEPT_MS)
          .compile(),
      ]);
    },

    /** Whether there was a prediction to judge. */
    async judge(incidentId: string, wasRight: boolean): Promise<boolean> {
      const [result] = await db.write([
        q
          .updateTable("cognitive_predictions")
          .set({ was_right: Number(wasRight) })
          .where("incident_id", "=", incidentId)
          .compile(),
      ]);
      return (result?.rowCount ?? 0) > 0;
    },

    async outcomes(): Promise<Outcome[]> {
      const query = q
        .selectFrom("cognitive_predictions")
        .select(["confidence", "was_right"])
        .where("was_right", "is not", null)
        .orderBy("at_ms", "desc")
        .orderBy("incident_id")
        .limit(MOST_OUTCOMES);
      return (await db.read(query.compile())).map((row) => ({ raw: row.confidence, wasRight: row.was_right === 1 }));
    },
  };
}
