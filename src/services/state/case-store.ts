/** Cases as rows, with a revision each, so that every replica's index can follow them. */
import { type CompiledQuery, sql } from "kysely";
import type { Case } from "#contracts/cognitive.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import { type Database, expecting, WriteRefused } from "#runtime/storage/database.ts";
import type { Migration } from "#runtime/storage/migration.ts";

interface CaseRow {
  readonly id: string;
  readonly data: string;
  readonly weight: number;
  readonly at_ms: number;
  readonly revision: number;
}

interface Tables {
  readonly state_cases: CaseRow;
  readonly state_weighings: { readonly id: string; readonly case_id: string };
  readonly state_revisions: { readonly name: string; readonly revision: number };
}

export const caseMigration: Migration = {
  version: 2,
  oldestCompatible: 1,
  statements: (q) => [
    q.schema
      .createTable("state_cases")
      .addColumn("id", "text", (c) => c.primaryKey())
      .addColumn("data", "text", (c) => c.notNull())
      .addColumn("weight", "double precision", (c) => c.notNull())
      .addColumn("at_ms", "bigint", (c) => c.notNull())
      .addColumn("revision", "bigint", (c) => c.notNull())
      .compile(),
    q.schema.createIndex("state_cases_revision").on("state_cases").column("revision").compile(),
    q.schema
      .createTable("state_weighings")
      .addColumn("id", "text", (c) => c.primaryKey())
      .addColumn("case_id", "text", (c) => c.notNull())
      .compile(),
    q.schema
      .createTable("state_agent_skills")
      .addColumn("agent", "text", (c) => c.notNull())
      .addColumn("skill", "text", (c) => c.notNull())
      .addColumn("capability", "double precision", (c) => c.notNull())
      .addColumn("succeeded", "bigint", (c) => c.notNull())
      .addColumn("failed", "bigint", (c) => c.notNull())
      .addPrimaryKeyConstraint("state_agent_skills_key", ["agent", "skill"])
      .compile(),
  ],
};

const INITIAL_WEIGHT = 0.5;
const REVISIONS = "cases";
/** Its revision is that of the last time everything was forgotten. */
const FORGOTTEN = "cases-forgotten";

export type CaseStore = ReturnType<typeof createCaseStore>;

export interface ChangedCase {
  readonly id: string;
  readonly signature: readonly string[];
  readonly revision: number;
}

export function createCaseStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);

  // The counter's row is locked until the commit, so that revisions become visible in their order.
  const count = (): CompiledQuery =>
    q
      .insertInto("state_revisions")
      .values({ name: REVISIONS, revision: 1 })
      .onConflict((c) => c.column("name").doUpdateSet((e) => ({ revision: e("state_revisions.revision", "+", 1) })))
      .compile();
  /** The same lock without a count: what is done to single cases waits for who forgets all, and the other way round. */
  const inTurn = (): CompiledQuery =>
    q
      .updateTable("state_revisions")
      .set((e) => ({ revision: e.ref("revision") }))
      .where("name", "=", REVISIONS)
      .compile();
  const newest = sql<number>`(select revision from state_revisions where name = ${REVISIONS})`;

  return {
    /** Keeps the weight of what was under its id. */
    async put({ id, ...one }: Omit<Case, "weight">, atMs: number): Promise<Case> {
      const data = JSON.stringify(one);
      const put = q
        .insertInto("state_cases")
        .values({ id, data, weight: INITIAL_WEIGHT, at_ms: atMs, revision: newest })
        .onConflict((c) => c.column("id").doUpdateSet({ data, revision: newest }))
        .returning("weight");
      const [, stored] = await db.write([count(), expecting(put.compile())]);
      return { id, ...one, weight: Number(stored?.rows[0]?.["weight"]) };
    },

    /** The weight after it; undefined for an unknown case. A report that was made before changes nothing. */
    async weigh(id: string, reportId: string, misled: boolean): Promise<number | undefined> {
      const report = q
        .insertInto("state_weighings")
        .values({ id: JSON.stringify([id, reportId]), case_id: id })
        .onConflict((c) => c.column("id").doNothing());
      const weigh = q
        .updateTable("state_cases")
        .set({ weight: misled ? sql`weight * 0.5` : sql`weight + 0.2 * (1 - weight)` })
        .where("id", "=", id);
      try {
        await db.write([inTurn(), expecting(report.compile()), expecting(weigh.compile())]);
      } catch (error) {
        if (!(error instanceof WriteRefused)) throw error;
      }
      return (await this.get([id])).get(id)?.weight;
    },

    async get(ids: readonly string[]): Promise<Map<string, Case>> {
      if (ids.length === 0) return new Map();
      const rows = await db.read(q.selectFrom("state_cases").selectAll().where("id", "in", ids).compile());
      return new Map(rows.map((row) => [row.id, toCase(row)]));
    },

    async list(limit: number): Promise<{ cases: Case[]; total: number }> {
      const page = q.selectFrom("state_cases").selectAll().orderBy("at_ms", "desc").orderBy("id", "desc").limit(limit);
      const [rows, counts] = await Promise.all([
        db.read(page.compile()),
        db.read(
          q
            .selectFrom("state_cases")
            .select((e) => e.fn.countAll<number>().as("total"))
            .compile(),
        ),
      ]);
      return { cases: rows.map(toCase), total: Number(counts[0]?.total ?? 0) };
    },

    async forget(): Promise<number> {
      const [, , , forgotten] = await db.write([
        count(),
        q
          .insertInto("state_revisions")
          .values({ name: FORGOTTEN, revision: newest })
          .onConflict((c) => c.column("name").doUpdateSet({ revision: newest }))
          .compile(),
        q.deleteFrom("state_weighings").compile(),
        q.deleteFrom("state_cases").compile(),
      ]);
      return forgotten?.rowCount ?? 0;
    },

    /** Cases changed since a revision, oldest change first, and when everything was forgotten last. */
    async changedSince(revision: number, limit: number): Promise<{ changed: ChangedCase[]; forgottenAt: number }> {
      const changed = q
        .selectFrom("state_cases")
        .select(["id", "data", "revision"])
        .where("revision", ">", revision)
        .orderBy("revision")
        .limit(limit);
      const forgotten = q.selectFrom("state_revisions").select("revision").where("name", "=", FORGOTTEN);
      const [rows, [last]] = await Promise.all([db.read(changed.compile()), db.read(forgotten.compile())]);
      return {
        changed: rows.map((row) => ({
          id: row.id,
          revision: Number(row.revision),
          signature: (JSON.parse(row.data) as Case).signature,
        })),
        forgottenAt: Number(last?.revision ?? 0),
      };
    },
  };
}

function toCase({ id, data, weight }: Pick<CaseRow, "id" | "data" | "weight">): Case {
  return { ...(JSON.parse(data) as Omit<Case, "id" | "weight">), id, weight };
}
