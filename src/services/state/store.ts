/** Agents and memories as rows. */
import { type CompiledQuery, sql } from "kysely";
import type { Agent, Memory, Roles } from "#contracts/state.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import { type Database, expecting, WriteRefused } from "#runtime/storage/database.ts";
import type { Migration, Schema } from "#runtime/storage/migration.ts";
import { smooth } from "./capability.ts";
import { caseMigration } from "./case-store.ts";
import { roleFactors, SIGMA } from "./role-step.ts";

interface AgentRow {
  readonly id: string;
  readonly organ: string;
  readonly explorer: number;
  readonly specialist: number;
  readonly observer: number;
  readonly capability: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly updated_at_ms: number;
}

interface MemoryRow {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
  readonly data: string;
  readonly created_at_ms: number;
  /** Of its last change; larger than that of every change before, whichever process made it. */
  readonly revision: number;
}

interface Tables {
  readonly state_agents: AgentRow;
  readonly state_agent_skills: {
    readonly agent: string;
    readonly skill: string;
    readonly capability: number;
    readonly succeeded: number;
    readonly failed: number;
  };
  readonly state_batches: { readonly id: string; readonly at_ms: number };
  readonly state_memories: MemoryRow;
  readonly state_revisions: { readonly name: string; readonly revision: number };
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .createTable("state_agents")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("organ", "text", (c) => c.notNull())
        .addColumn("explorer", "double precision", (c) => c.notNull())
        .addColumn("specialist", "double precision", (c) => c.notNull())
        .addColumn("observer", "double precision", (c) => c.notNull())
        .addColumn("capability", "double precision", (c) => c.notNull())
        .addColumn("succeeded", "bigint", (c) => c.notNull())
        .addColumn("failed", "bigint", (c) => c.notNull())
        .addColumn("updated_at_ms", "bigint", (c) => c.notNull())
        .compile(),
      q.schema
        .createTable("state_batches")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("at_ms", "bigint", (c) => c.notNull())
        .compile(),
      q.schema.createIndex("state_batches_time").on("state_batches").column("at_ms").compile(),
      q.schema
        .createTable("state_memories")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("text", "text", (c) => c.notNull())
        .addColumn("data", "text", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .addColumn("revision", "bigint", (c) => c.notNull())
        .compile(),
      q.schema.createIndex("state_memories_revision").on("state_memories").column("revision").compile(),
      q.schema
        .createTable("state_revisions")
        .addColumn("name", "text", (c) => c.primaryKey())
        .addColumn("revision", "bigint", (c) => c.notNull())
        .compile(),
    ],
  },
  caseMigration,
];

export const stateSchema: Schema = { owner: "state", migrations };

export interface Outcome {
  readonly agent: string;
  readonly organ: string;
  readonly skill?: string | undefined;
  readonly succeeded: number;
  readonly failed: number;
  readonly roles: Roles;
  readonly gains?: Roles | undefined;
}

/** A changed memory as the index needs it. */
export type ChangedMemory = Pick<MemoryRow, "id" | "kind" | "text" | "revision">;

/** Batches are known for this long; nobody repeats one later. */
const BATCH_KEPT_MS = 86_400_000;

export type StateStore = ReturnType<typeof createStateStore>;

export function createStateStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);

  /** Computed by the database, as the capability is. */
  const movedRoles = (gains: Roles) => {
    const { E, S, O } = roleFactors(gains);
    const sum = sql`(state_agents.explorer * ${E} + state_agents.specialist * ${S} + state_agents.observer * ${O})`;
    const moved = (name: string, factor: number) =>
      sql<number>`${1 - SIGMA} * ${sql.ref(`state_agents.${name}`)} * ${factor} / ${sum} + ${SIGMA} * ${sql.ref(`excluded.${name}`)}`;
    return { explorer: moved("explorer", E), specialist: moved("specialist", S), observer: moved("observer", O) };
  };

  const addOutcome = (outcome: Outcome, nowMs: number): CompiledQuery => {
    const { keep, gain, initial } = smooth(outcome.succeeded, outcome.failed);
    return q
      .insertInto("state_agents")
      .values({
        id: outcome.agent,
        organ: outcome.organ,
        explorer: outcome.roles.E,
        specialist: outcome.roles.S,
        observer: outcome.roles.O,
        capability: initial,
        succeeded: outcome.succeeded,
        failed: outcome.failed,
        updated_at_ms: nowMs,
      })
      .onConflict((c) =>
        c.column("id").doUpdateSet((e) => ({
          organ: e.ref("excluded.organ"),
          // Computed by the database: two replicas that add at once both count.
          capability: sql<number>`state_agents.capability * ${keep} + ${gain}`,
          succeeded: e("state_agents.succeeded", "+", outcome.succeeded),
          failed: e("state_agents.failed", "+", outcome.failed),
          updated_at_ms: nowMs,
          ...(outcome.gains && movedRoles(outcome.gains)),
        })),
      )
      .compile();
  };

  const addSkillOutcome = ({ agent, skill, succeeded, failed }: Outcome): CompiledQuery[] => {
    if (skill === undefined) return [];
    const { keep, gain, initial } = smooth(succeeded, failed);
    return [
      q
        .insertInto("state_agent_skills")
        .values({ agent, skill, capability: initial, succeeded, failed })
        .onConflict((c) =>
          c.columns(["agent", "skill"]).doUpdateSet((e) => ({
            capability: sql<number>`state_agent_skills.capability * ${keep} + ${gain}`,
            succeeded: e("state_agent_skills.succeeded", "+", succeeded),
            failed: e("state_agent_skills.failed", "+", failed),
          })),
        )
        .compile(),
    ];
  };

  return {
    async agents(organ: string | undefined): Promise<Agent[]> {
      const query = q
        .selectFrom("state_agents")
        .selectAll()
        .$if(organ !== undefined, (s) => s.where("organ", "=", organ ?? ""))
        .orderBy("organ")
        .orderBy("id");
      const skills = q.selectFrom("state_agent_skills").selectAll().orderBy("skill");
      const [rows, bySkill] = await Promise.all([db.read(query.compile()), db.read(skills.compile())]);
      const ofAgent = Map.groupBy(bySkill, ({ agent }) => agent);
      return rows.map((row) => ({
        id: row.id,
        organ: row.organ,
        roles: { E: row.explorer, S: row.specialist, O: row.observer },
        capability: row.capability,
        succeeded: row.succeeded,
        failed: row.failed,
        skills: (ofAgent.get(row.id) ?? []).map(({ skill, capability, succeeded, failed }) => ({
          skill,
          capability,
          succeeded,
          failed,
        })),
        updatedAtMs: row.updated_at_ms,
      }));
    },

    /** False when the batch was added before; nothing happens then. */
    async addOutcomes(batchId: string, outcomes: readonly Outcome[], nowMs: number): Promise<boolean> {
      const batch = q
        .insertInto("state_batches")
        .values({ id: batchId, at_ms: nowMs })
        .onConflict((c) => c.column("id").doNothing());
      const forget = q.deleteFrom("state_batches").where("at_ms", "<", nowMs - BATCH_KEPT_MS);
      try {
        await db.write([
          expecting(batch.compile()),
          ...outcomes.map((outcome) => addOutcome(outcome, nowMs)),
          ...outcomes.flatMap(addSkillOutcome),
          forget.compile(),
        ]);
        return true;
      } catch (error) {
        if (error instanceof WriteRefused && error.index === 0) return false;
        throw error;
      }
    },

    /** Stores it, or replaces what was under its id; returns when that was first stored. */
    async putMemory(memory: Memory): Promise<number> {
      // The counter's row is locked until the commit, so that revisions become visible in their order.
      const count = q
        .insertInto("state_revisions")
        .values({ name: "memories", revision: 1 })
        .onConflict((c) => c.column("name").doUpdateSet((e) => ({ revision: e("state_revisions.revision", "+", 1) })));
      const row = { kind: memory.kind, text: memory.text, data: JSON.stringify(memory.data) };
      const put = q
        .insertInto("state_memories")
        .values((e) => ({
          id: memory.id,
          ...row,
          created_at_ms: memory.createdAtMs,
          revision: e.selectFrom("state_revisions").select("revision").where("name", "=", "memories"),
        }))
        .onConflict((c) => c.column("id").doUpdateSet((e) => ({ ...row, revision: e.ref("excluded.revision") })))
        .returning("created_at_ms");
      const [, stored] = await db.write([count.compile(), expecting(put.compile())]);
      return stored?.rows[0]?.["created_at_ms"] as number;
    },

    /** Memories changed since a revision, oldest change first. */
    async changedSince(revision: number, limit: number): Promise<ChangedMemory[]> {
      const query = q
        .selectFrom("state_memories")
        .select(["id", "kind", "text", "revision"])
        .where("revision", ">", revision)
        .orderBy("revision")
        .limit(limit);
      return db.read(query.compile());
    },

    async memories(ids: readonly string[]): Promise<Map<string, Memory>> {
      if (ids.length === 0) return new Map();
      const rows = await db.read(q.selectFrom("state_memories").selectAll().where("id", "in", ids).compile());
      return new Map(
        rows.map((row) => [
          row.id,
          {
            id: row.id,
            kind: row.kind,
            text: row.text,
            data: JSON.parse(row.data) as Memory["data"],
            createdAtMs: row.created_at_ms,
          },
        ]),
      );
    },
  };
}
