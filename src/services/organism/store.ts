/** Organs, their agents and the routing rules as rows. */
import type { Organ, RoutingRule } from "#contracts/organism.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Migration, Schema } from "#runtime/storage/migration.ts";

interface Tables {
  readonly organism_organs: { readonly id: string; readonly kind: string; readonly summary: string };
  readonly organism_agents: { readonly id: string; readonly organ: string };
  readonly organism_rules: {
    readonly task_type: string;
    /** Empty for a rule that holds whatever the domain. */
    readonly domain: string;
    readonly organ: string;
    readonly skill: string;
  };
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .createTable("organism_organs")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("summary", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createTable("organism_agents")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("organ", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createTable("organism_rules")
        .addColumn("task_type", "text", (c) => c.notNull())
        .addColumn("domain", "text", (c) => c.notNull())
        .addColumn("organ", "text", (c) => c.notNull())
        .addColumn("skill", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("organism_rules_key", ["task_type", "domain"])
        .compile(),
    ],
  },
];

export const organismSchema: Schema = { owner: "organism", migrations };

export type StoredOrgan = Pick<Organ, "id" | "kind" | "summary" | "agents">;
export type OrganismStore = ReturnType<typeof createOrganismStore>;

export function createOrganismStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);
  return {
    /** Stores organs that are not there yet, and gives each exactly these agents. */
    async settle(organs: readonly StoredOrgan[]): Promise<void> {
      const agents = organs.flatMap(({ id, agents }) => agents.map((agent) => ({ id: agent, organ: id })));
      await db.write([
        q
          .insertInto("organism_organs")
          .values(organs.map(({ id, kind, summary }) => ({ id, kind, summary })))
          .onConflict((c) => c.column("id").doNothing())
          .compile(),
        q
          .insertInto("organism_agents")
          .values(agents)
          .onConflict((c) => c.column("id").doNothing())
          .compile(),
        q
          .deleteFrom("organism_agents")
          .where(
            "organ",
            "in",
            organs.map(({ id }) => id),
          )
          .where(
            "id",
            "not in",
            agents.map(({ id }) => id),
          )
          .compile(),
      ]);
    },

    async organs(): Promise<StoredOrgan[]> {
      const [organs, agents] = await Promise.all([
        db.read(q.selectFrom("organism_organs").selectAll().orderBy("id").compile()),
        db.read(q.selectFrom("organism_agents").selectAll().orderBy("id").compile()),
      ]);
      return organs.map(({ id, kind, summary }) => ({
        id,
        kind: kind as Organ["kind"],
        summary,
        agents: agents.filter(({ organ }) => organ === id).map((agent) => agent.id),
      }));
    },

    /** Most specific first: those for a domain, then those for any. */
    async rules(): Promise<RoutingRule[]> {
      const rows = await db.read(
        q.selectFrom("organism_rules").selectAll().orderBy("task_type").orderBy("domain", "desc").compile(),
      );
      return rows
        .map(({ task_type, domain, organ, skill }) => ({
          taskType: task_type,
          domain: domain === "" ? null : domain,
          organ,
          skill,
        }))
        .sort((a, b) => Number(a.domain === null) - Number(b.domain === null));
    },

    async changeRules(
      add: readonly RoutingRule[],
      remove: readonly Pick<RoutingRule, "taskType" | "domain">[],
    ): Promise<void> {
      const removals = remove.map(({ taskType, domain }) =>
        q
          .deleteFrom("organism_rules")
          .where("task_type", "=", taskType)
          .where("domain", "=", domain ?? "")
          .compile(),
      );
      const additions = add.map(({ taskType, domain, organ, skill }) =>
        q
          .insertInto("organism_rules")
          .values({ task_type: taskType, domain: domain ?? "", organ, skill })
          .onConflict((c) => c.columns(["task_type", "domain"]).doUpdateSet({ organ, skill }))
          .compile(),
      );
      if (removals.length + additions.length > 0) await db.write([...removals, ...additions]);
    },
  };
}
