/** The ledger: an entry an action, with the energy before it and after. */
import type { Energy, LedgerEntry } from "#contracts/energy.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Schema } from "#runtime/storage/migration.ts";

interface LedgerRow {
  readonly action_id: string;
  readonly skill: string;
  readonly target: string;
  readonly predicted: number | null;
  readonly measured: number | null;
  readonly before: string;
  readonly after: string | null;
  readonly opened_at_ms: number;
  readonly settled_at_ms: number | null;
  /** Null in rows of version 1. */
  readonly incident_id: string | null;
  readonly raw: number | null;
}

interface Tables {
  readonly energy_ledger: LedgerRow;
}

export const energySchema: Schema = {
  owner: "energy",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (q) => [
        q.schema
          .createTable("energy_ledger")
          .addColumn("action_id", "text", (c) => c.primaryKey())
          .addColumn("skill", "text", (c) => c.notNull())
          .addColumn("target", "text", (c) => c.notNull())
          .addColumn("predicted", "double precision")
          .addColumn("measured", "double precision")
          .addColumn("before", "text", (c) => c.notNull())
          .addColumn("after", "text")
          .addColumn("opened_at_ms", "bigint", (c) => c.notNull())
          .addColumn("settled_at_ms", "bigint")
          .compile(),
        q.schema.createIndex("energy_ledger_time").on("energy_ledger").column("opened_at_ms").compile(),
      ],
    },
    {
      version: 2,
      oldestCompatible: 1,
      statements: (q) => [
        q.schema.alterTable("energy_ledger").addColumn("incident_id", "text").compile(),
        q.schema.alterTable("energy_ledger").addColumn("raw", "double precision").compile(),
        q.schema.createIndex("energy_ledger_skill").on("energy_ledger").columns(["skill", "settled_at_ms"]).compile(),
      ],
    },
  ],
};

/** Older entries are dropped. */
const KEPT_MS = 365 * 86_400_000;
/** Of one skill, in its correction: what was so long ago says little of today. */
const MOST_COMPARED = 100;

export type EnergyStore = ReturnType<typeof createEnergyStore>;

export function createEnergyStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);

  async function get(actionId: string): Promise<LedgerEntry | undefined> {
    const query = q.selectFrom("energy_ledger").selectAll().where("action_id", "=", actionId);
    const [row] = await db.read(query.compile());
    return row && toEntry(row);
  }

  return {
    get,

    /** The entry as it was opened first. */
    async open(
      entry: Pick<LedgerEntry, "actionId" | "skill" | "target" | "incidentId" | "predictedDeltaE" | "rawDeltaE">,
      before: Energy,
      atMs: number,
    ) {
      await db.write([
        q
          .insertInto("energy_ledger")
          .values({
            action_id: entry.actionId,
            skill: entry.skill,
            target: entry.target,
            incident_id: entry.incidentId,
            predicted: entry.predictedDeltaE,
            raw: entry.rawDeltaE,
            measured: null,
            before: JSON.stringify(before),
            after: null,
            opened_at_ms: atMs,
            settled_at_ms: null,
          })
          .onConflict((c) => c.column("action_id").doNothing())
          .compile(),
        q
          .deleteFrom("energy_ledger")
          .where("opened_at_ms", "<", atMs - KEPT_MS)
          .compile(),
      ]);
      return get(entry.actionId);
    },

    /** The entry as it was settled first. */
    async settle(entry: LedgerEntry, after: Energy, atMs: number): Promise<LedgerEntry | undefined> {
      await db.write([
        q
          .updateTable("energy_ledger")
          .set({
            measured: after.total - entry.before.total,
            after: JSON.stringify(after),
            settled_at_ms: atMs,
          })
          .where("action_id", "=", entry.actionId)
          .where("settled_at_ms", "is", null)
          .compile(),
      ]);
      return get(entry.actionId);
    },

    /** The newest settled ones of a skill. */
    async settledOf(skill: string): Promise<LedgerEntry[]> {
      const query = q
        .selectFrom("energy_ledger")
        .selectAll()
        .where("skill", "=", skill)
        .where("settled_at_ms", "is not", null)
        .orderBy("settled_at_ms", "desc")
        .orderBy("action_id")
        .limit(MOST_COMPARED);
      return (await db.read(query.compile())).map(toEntry);
    },

    async list(limit: number): Promise<{ entries: LedgerEntry[]; total: number; settled: LedgerEntry[] }> {
      const rows = await db.read(
        q
          .selectFrom("energy_ledger")
          .selectAll()
          .orderBy("opened_at_ms", "desc")
          .orderBy("action_id")
          .limit(1_000)
          .compile(),
      );
      const [count] = await db.read(
        q
          .selectFrom("energy_ledger")
          .select((e) => e.fn.countAll<number>().as("total"))
          .compile(),
      );
      const entries = rows.map(toEntry);
      return {
        entries: entries.slice(0, limit),
        total: Number(count?.total ?? 0),
        settled: entries.filter(({ measuredDeltaE }) => measuredDeltaE !== null),
      };
    },
  };
}

function toEntry(row: LedgerRow): LedgerEntry {
  return {
    actionId: row.action_id,
    skill: row.skill,
    target: row.target,
    incidentId: row.incident_id,
    predictedDeltaE: row.predicted,
    // Nothing was corrected in version 1.
    rawDeltaE: row.raw ?? row.predicted,
    measuredDeltaE: row.measured,
    before: JSON.parse(row.before) as Energy,
    after: row.after === null ? null : (JSON.parse(row.after) as Energy),
    openedAtMs: row.opened_at_ms,
    settledAtMs: row.settled_at_ms,
  };
}
