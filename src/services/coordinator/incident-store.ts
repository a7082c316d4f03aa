/** Statements over incidents, their crossings, changes and stories. */
import { type CompiledQuery, type Kysely, sql } from "kysely";
import type { Diagnosis } from "#contracts/cognitive.ts";
import type { Incident, RecordedChange, StoryEntry } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { IncidentRecord } from "./incident.ts";
import type { About } from "./policy/signals-of.ts";
import type { ChangeRow, IncidentRow, Tables } from "./schema.ts";

export interface IncidentFilter {
  readonly state: Incident["state"] | undefined;
  readonly sinceMs: number | undefined;
  readonly limit: number;
}

/** The newest diagnosis, and since when it has blamed the same. */
export interface StoredDiagnosis {
  readonly diagnosis: Diagnosis;
  readonly sinceMs: number;
  /** Cases it was compared with, by id. */
  readonly recalled: readonly string[];
  readonly about: About;
}

/** In the place of an incident's id. */
const SILENCED = "";

export type IncidentStore = ReturnType<typeof createIncidentStore>;

export function createIncidentStore(db: Database, q: Kysely<Tables>) {
  return {
    put(incident: IncidentRecord): CompiledQuery {
      const { id, ...rest } = toRow(incident);
      return q
        .insertInto("coordinator_incidents")
        .values({ id, ...rest })
        .onConflict((c) => c.column("id").doUpdateSet(rest))
        .compile();
    },

    touch: (id: string, nowMs: number): CompiledQuery =>
      q.updateTable("coordinator_incidents").set({ updated_at_ms: nowMs }).where("id", "=", id).compile(),

    /** @param incidentId null for one that a silence keeps from opening any, until it belongs to one after all */
    insertCrossing: (crossing: Crossing, incidentId: string | null): CompiledQuery =>
      q
        .insertInto("coordinator_crossings")
        .values({
          id: crossing.id,
          incident_id: incidentId ?? SILENCED,
          started_at_ms: crossing.startedAtMs,
          cleared_at_ms: null,
          data: JSON.stringify(crossing),
        })
        .onConflict((c) => c.column("id").doUpdateSet({ incident_id: incidentId ?? SILENCED }))
        .compile(),

    /** Crossings that a silence has kept from opening an incident, and that have not cleared. */
    async silenced(): Promise<Crossing[]> {
      const query = q
        .selectFrom("coordinator_crossings")
        .select("data")
        .where("incident_id", "=", SILENCED)
        .where("cleared_at_ms", "is", null)
        .orderBy("started_at_ms");
      return (await db.read(query.compile())).map(({ data }) => JSON.parse(data) as Crossing);
    },

    /** Also takes what has become known of the crossing since, such as its peak. */
    clearCrossing: (crossing: Crossing, clearedAtMs: number): CompiledQuery =>
      q
        .updateTable("coordinator_crossings")
        .set({ cleared_at_ms: clearedAtMs, data: JSON.stringify(crossing) })
        .where("id", "=", crossing.id)
        .compile(),

    insertChange: (change: RecordedChange): CompiledQuery =>
      q
        .insertInto("coordinator_changes")
        .values({
          id: change.id,
          kind: change.kind,
          target: change.target,
          summary: change.summary,
          at_ms: change.atMs,
          data: JSON.stringify(change.data),
        })
        .onConflict((c) => c.column("id").doNothing())
        .compile(),

    linkChange: (incidentId: string, changeId: string): CompiledQuery =>
      q
        .insertInto("coordinator_incident_changes")
        .values({ incident_id: incidentId, change_id: changeId })
        .onConflict((c) => c.columns(["incident_id", "change_id"]).doNothing())
        .compile(),

    tell: (incidentId: string, entry: StoryEntry): CompiledQuery =>
      q
        .insertInto("coordinator_story")
        .values((e) => ({
          incident_id: incidentId,
          position: e
            .selectFrom("coordinator_story")
            .select(sql<number>`coalesce(max(position), 0) + 1`.as("position"))
            .where("incident_id", "=", incidentId),
          at_ms: entry.atMs,
          kind: entry.kind,
          text: entry.text,
          data: JSON.stringify(entry.data ?? null),
        }))
        .compile(),

    async crossing(
      id: string,
    ): Promise<{ readonly incidentId: string | null; readonly isCleared: boolean } | undefined> {
      const query = q.selectFrom("coordinator_crossings").select(["incident_id", "cleared_at_ms"]).where("id", "=", id);
      const [row] = await db.read(query.compile());
      if (row === undefined) return undefined;
      const incidentId = row.incident_id === SILENCED ? null : row.incident_id;
      return { incidentId, isCleared: row.cleared_at_ms !== null };
    },

    async hasChange(id: string): Promise<boolean> {
      const query = q.selectFrom("coordinator_changes").select("id").where("id", "=", id);
      return (await db.read(query.compile())).length > 0;
    },

    async changesBetween(fromMs: number, toMs: number, limit: number): Promise<RecordedChange[]> {
      const query = q
        .selectFrom("coordinator_changes")
        .selectAll()
        .where("at_ms", ">=", fromMs)
        .where("at_ms", "<=", toMs)
        .orderBy("at_ms", "desc")
        .limit(limit);
      return (await db.read(query.compile())).map(toChange).reverse();
    },

    async open(): Promise<IncidentRecord[]> {
      const incidents = q.selectFrom("coordinator_incidents").selectAll().where("state", "=", "open");
      const crossings = q
        .selectFrom("coordinator_crossings")
        .innerJoin("coordinator_incidents", "coordinator_incidents.id", "coordinator_crossings.incident_id")
        .select(["coordinator_crossings.id", "incident_id"])
        .where("coordinator_incidents.state", "=", "open")
        .where("cleared_at_ms", "is", null);
      const [rows, uncleared] = await Promise.all([db.read(incidents.compile()), db.read(crossings.compile())]);
      const byIncident = Map.groupBy(uncleared, ({ incident_id }) => incident_id);
      return rows.map((row) =>
        fromRow(
          row,
          (byIncident.get(row.id) ?? []).map(({ id }) => id),
        ),
      );
    },

    async get(id: string): Promise<IncidentRecord | undefined> {
      const query = q.selectFrom("coordinator_incidents").selectAll().where("id", "=", id);
      const [row] = await db.read(query.compile());
      return row && fromRow(row, []);
    },

    async list(filter: IncidentFilter): Promise<{ incidents: IncidentRecord[]; total: number }> {
      const matching = q
        .selectFrom("coordinator_incidents")
        .$if(filter.state !== undefined, (s) => s.where("state", "=", filter.state ?? ""))
        .$if(filter.sinceMs !== undefined, (s) => s.where("opened_at_ms", ">=", filter.sinceMs ?? 0));
      const page = matching.selectAll().orderBy("opened_at_ms", "desc").orderBy("id", "desc").limit(filter.limit);
      const [rows, counts] = await Promise.all([
        db.read(page.compile()),
        db.read(matching.select((e) => e.fn.countAll<number>().as("total")).compile()),
      ]);
      return { incidents: rows.map((row) => fromRow(row, [])), total: Number(counts[0]?.total ?? 0) };
    },

    async countByState(): Promise<Record<Incident["state"], number>> {
      const query = q
        .selectFrom("coordinator_incidents")
        .select((e) => ["state", e.fn.countAll<number>().as("count")])
        .groupBy("state");
      const counts = { open: 0, resolved: 0 };
      for (const row of await db.read(query.compile())) counts[row.state as Incident["state"]] = Number(row.count);
      return counts;
    },

    putDiagnosis(incidentId: string, diagnosis: StoredDiagnosis): CompiledQuery {
      const data = JSON.stringify(diagnosis);
      return q
        .insertInto("coordinator_diagnoses")
        .values({ incident_id: incidentId, data })
        .onConflict((c) => c.column("incident_id").doUpdateSet({ data }))
        .compile();
    },

    async diagnosis(incidentId: string): Promise<StoredDiagnosis | undefined> {
      const query = q.selectFrom("coordinator_diagnoses").select("data").where("incident_id", "=", incidentId);
      const [row] = await db.read(query.compile());
      return row && (JSON.parse(row.data) as StoredDiagnosis);
    },

    /** Crossings of an incident, and which of them have cleared. */
    async crossingsOf(incidentId: string): Promise<{ crossing: Crossing; isCleared: boolean }[]> {
      const query = q
        .selectFrom("coordinator_crossings")
        .select(["data", "cleared_at_ms"])
        .where("incident_id", "=", incidentId)
        .orderBy("started_at_ms")
        .orderBy("id");
      const rows = await db.read(query.compile());
      return rows.map((row) => ({ crossing: JSON.parse(row.data) as Crossing, isCleared: row.cleared_at_ms !== null }));
    },

    /** Crossings of the incidents with a label. */
    async crossingsLabelled(
      label: NonNullable<Incident["label"]>,
    ): Promise<{ crossing: Crossing; incidentId: string }[]> {
      const query = q
        .selectFrom("coordinator_crossings")
        .innerJoin("coordinator_incidents", "coordinator_incidents.id", "coordinator_crossings.incident_id")
        .select(["coordinator_crossings.data", "incident_id"])
        .where("label", "=", label);
      const rows = await db.read(query.compile());
      return rows.map(({ data, incident_id }) => ({ crossing: JSON.parse(data) as Crossing, incidentId: incident_id }));
    },

    /** Everything that belongs to one incident, each list in order. */
    async parts(id: string): Promise<{ crossings: Crossing[]; changes: RecordedChange[]; story: StoryEntry[] }> {
      const [crossings, changes, story] = await Promise.all([
        db.read(
          q
            .selectFrom("coordinator_crossings")
            .select("data")
            .where("incident_id", "=", id)
            .orderBy("started_at_ms")
            .orderBy("id")
            .compile(),
        ),
        db.read(
          q
            .selectFrom("coordinator_changes")
            .innerJoin("coordinator_incident_changes", "change_id", "coordinator_changes.id")
            .selectAll("coordinator_changes")
            .where("incident_id", "=", id)
            .orderBy("at_ms")
            .compile(),
        ),
        db.read(
          q.selectFrom("coordinator_story").selectAll().where("incident_id", "=", id).orderBy("position").compile(),
        ),
      ]);
      return {
        crossings: crossings.map(({ data }) => JSON.parse(data) as Crossing),
        changes: changes.map(toChange),
        story: story.map(({ at_ms, kind, text, data }) => ({
          atMs: at_ms,
          kind: kind as StoryEntry["kind"],
          text,
          data: JSON.parse(data) as StoryEntry["data"],
        })),
      };
    },
  };
}

function toRow(incident: IncidentRecord): IncidentRow {
  return {
    id: incident.id,
    state: incident.state,
    title: incident.title,
    severity: incident.severity,
    opened_at_ms: incident.openedAtMs,
    updated_at_ms: incident.updatedAtMs,
    resolved_at_ms: incident.resolvedAtMs,
    series: JSON.stringify(incident.series),
    rule: incident.decision?.rule ?? null,
    skill: incident.decision?.skill ?? null,
    task_id: incident.decision?.taskId ?? null,
    distance: incident.distance,
    last_event_ms: incident.lastEventMs,
    last_heard_ms: incident.lastHeardMs,
    cause: incident.cause === null ? null : JSON.stringify(incident.cause),
    label: incident.label,
    acknowledged_by: incident.acknowledgedBy,
  };
}

function fromRow(row: IncidentRow, uncleared: readonly string[]): IncidentRecord {
  return {
    id: row.id,
    state: row.state as Incident["state"],
    title: row.title,
    severity: row.severity as Incident["severity"],
    openedAtMs: row.opened_at_ms,
    updatedAtMs: row.updated_at_ms,
    resolvedAtMs: row.resolved_at_ms,
    series: JSON.parse(row.series) as string[],
    decision:
      row.rule === null || row.skill === null ? null : { rule: row.rule, skill: row.skill, taskId: row.task_id },
    distance: row.distance,
    lastEventMs: row.last_event_ms,
    lastHeardMs: row.last_heard_ms,
    cause: row.cause === null ? null : (JSON.parse(row.cause) as Incident["cause"]),
    label: row.label as Incident["label"],
    acknowledgedBy: row.acknowledged_by,
    uncleared: new Set(uncleared),
  };
}

function toChange(row: ChangeRow): RecordedChange {
  return {
    id: row.id,
    kind: row.kind,
    target: row.target,
    summary: row.summary,
    atMs: row.at_ms,
    data: JSON.parse(row.data) as RecordedChange["data"],
  };
}
