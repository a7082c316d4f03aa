/** Statements over actions, times of maintenance and tolerances. */
import type { CompiledQuery, Kysely } from "kysely";
import type { Action } from "#contracts/action.ts";
import type { Maintenance } from "#contracts/policy.ts";
import type { Crossing } from "#contracts/ml.ts";
import { type Database, expecting, type Write } from "#runtime/storage/database.ts";
import { type ActionRecord, UNENDED } from "./action.ts";
import { seriesKey } from "./incident.ts";
import type { ActionRow, Tables } from "./schema.ts";

export type ActionStore = ReturnType<typeof createActionStore>;

/** A change of a series that a person said is none. */
export interface Tolerance {
  readonly series: string;
  readonly direction: Crossing["direction"];
  /** In the unit of the series. */
  readonly change: number;
  /** Which taught it. */
  readonly incidentId: string;
}

const HOUR_MS = 3_600_000;

export function createActionStore(db: Database, q: Kysely<Tables>) {
  const read = async (query: CompiledQuery<ActionRow>) => (await db.read(query)).map(toAction);

  return {
    put(action: ActionRecord): CompiledQuery {
      const { id, ...rest } = toRow(action);
      return q
        .insertInto("coordinator_actions")
        .values({ id, ...rest })
        .onConflict((c) => c.column("id").doUpdateSet(rest))
        .compile();
    },

    /** Replaces one that is as it was read; refused when its state has changed since. */
    replace(action: ActionRecord): Write {
      const { id, ...rest } = toRow(action);
      const query = q
        .updateTable("coordinator_actions")
        .set(rest)
        .where("id", "=", id)
        .where("state", "=", action.state);
      return expecting(query.compile());
    },

    async get(id: string): Promise<ActionRecord | undefined> {
      return (await read(q.selectFrom("coordinator_actions").selectAll().where("id", "=", id).compile()))[0];
    },

    async ofIncident(incidentId: string): Promise<ActionRecord[]> {
      const query = q.selectFrom("coordinator_actions").selectAll().where("incident_id", "=", incidentId);
      return read(query.orderBy("created_at_ms").orderBy("id").compile());
    },

    /** Those that something is still to happen to, and those that ended within the last hour. */
    async current(nowMs: number): Promise<ActionRecord[]> {
      const query = q
        .selectFrom("coordinator_actions")
        .selectAll()
        .where((e) => e.or([e("state", "in", UNENDED), e("ended_at_ms", ">=", nowMs - HOUR_MS)]));
      return read(query.orderBy("created_at_ms").orderBy("id").compile());
    },

    async list(filter: {
      readonly state: Action["state"] | undefined;
      readonly limit: number;
    }): Promise<{ actions: ActionRecord[]; total: number }> {
      const matching = q
        .selectFrom("coordinator_actions")
        .$if(filter.state !== undefined, (s) => s.where("state", "=", filter.state ?? ""));
      const [actions, counts] = await Promise.all([
        read(matching.selectAll().orderBy("created_at_ms", "desc").orderBy("id", "desc").limit(filter.limit).compile()),
        db.read(matching.select((e) => e.fn.countAll<number>().as("total")).compile()),
      ]);
      return { actions, total: Number(counts[0]?.total ?? 0) };
    },

    async countByState(): Promise<Record<string, number>> {
      const query = q
        .selectFrom("coordinator_actions")
        .select((e) => ["state", e.fn.countAll<number>().as("count")])
        .groupBy("state");
      return Object.fromEntries((await db.read(query.compile())).map(({ state, count }) => [state, Number(count)]));
    },

    putMaintenance: ({ id, target, fromMs, toMs, reason }: Maintenance): CompiledQuery =>
      q.insertInto("coordinator_maintenances").values({ id, target, from_ms: fromMs, to_ms: toMs, reason }).compile(),

    removeMaintenance: (id: string): CompiledQuery =>
      q.deleteFrom("coordinator_maintenances").where("id", "=", id).compile(),

    /** Those that are now or to come. */
    async maintenances(nowMs: number): Promise<Maintenance[]> {
      const query = q.selectFrom("coordinator_maintenances").selectAll().where("to_ms", ">", nowMs);
      const rows = await db.read(query.orderBy("from_ms").orderBy("id").compile());
      return rows.map((row) => ({
        id: row.id,
        target: row.target,
        fromMs: row.from_ms,
        toMs: row.to_ms,
        reason: row.reason,
      }));
    },

    /** Puts these in the place of all there are. */
    replaceTolerances: (tolerances: readonly Tolerance[]): CompiledQuery[] => [
      q.deleteFrom("coordinator_tolerances").compile(),
      ...tolerances.map(({ series, direction, change, incidentId }) =>
        q.insertInto("coordinator_tolerances").values({ series, direction, change, incident_id: incidentId }).compile(),
      ),
    ],

    async tolerance(crossing: Crossing): Promise<number | undefined> {
      const query = q
        .selectFrom("coordinator_tolerances")
        .select("change")
        .where("series", "=", seriesKey(crossing))
        .where("direction", "=", crossing.direction);
      return (await db.read(query.compile()))[0]?.change;
    },
  };
}

function toRow(action: ActionRecord): ActionRow {
  return {
    id: action.id,
    incident_id: action.incidentId,
    state: action.state,
    target: action.target,
    task_id: action.taskId,
    undo_task_id: action.undoTaskId,
    created_at_ms: action.createdAtMs,
    acted_at_ms: action.actedAtMs,
    ended_at_ms: action.endedAtMs,
    data: JSON.stringify(action),
  };
}

/** What is in the rows of all versions. Those before did not know these fields, and of `recalled` only the ids of cases. */
type StoredAction = Omit<ActionRecord, "wouldBegin" | "rawConfidence" | "recalled"> &
  Partial<Pick<ActionRecord, "wouldBegin" | "rawConfidence">> & {
    readonly recalled: readonly (ActionRecord["recalled"][number] | string)[];
  };

function toAction(row: ActionRow): ActionRecord {
  const stored = JSON.parse(row.data) as StoredAction;
  return {
    ...stored,
    wouldBegin: stored.wouldBegin ?? (stored.state === "observed" && stored.mode === "observe"),
    rawConfidence: stored.rawConfidence ?? null,
    // What a case said of it cannot be told from its id: it must neither gain nor lose weight.
    recalled: stored.recalled.filter((said) => typeof said !== "string"),
  };
}
