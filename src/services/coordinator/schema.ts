/** The coordinator's tables. */
import { sql } from "kysely";
import type { Migration, Schema } from "#runtime/storage/migration.ts";

export interface TaskRow {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly description: string;
  readonly params: string;
  readonly domain: string | null;
  readonly priority: number;
  readonly state: string;
  readonly attempts: number;
  readonly max_attempts: number;
  readonly allowance: number;
  readonly run_after_ms: number;
  readonly timeout_ms: number;
  readonly repeatable: number;
  readonly result: string;
  readonly effect: string | null;
  readonly error: string | null;
  readonly organ: string | null;
  readonly agent: string | null;
  readonly incident_id: string | null;
  readonly submitted_by: string;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
  readonly lease_epoch: number | null;
  readonly lease_holder: string | null;
  readonly lease_until_ms: number | null;
}

export interface IncidentRow {
  readonly id: string;
  readonly state: string;
  readonly title: string;
  readonly severity: string;
  readonly opened_at_ms: number;
  readonly updated_at_ms: number;
  readonly resolved_at_ms: number | null;
  /** JSON list of `<source>/<series>`. */
  readonly series: string;
  readonly rule: string | null;
  readonly skill: string | null;
  readonly task_id: string | null;
  /** Distance of its worst crossing, in spreads. */
  readonly distance: number;
  /** When one of its series last crossed or cleared, in the time of the data. */
  readonly last_event_ms: number;
  /** Latest report of any of its series, in the coordinator's time. */
  readonly last_heard_ms: number;
  /** JSON; null before the first diagnosis. */
  readonly cause: string | null;
  readonly label: string | null;
  readonly acknowledged_by: string | null;
}

export interface ActionRow {
  readonly id: string;
  readonly incident_id: string;
  readonly state: string;
  readonly target: string;
  readonly task_id: string | null;
  readonly undo_task_id: string | null;
  readonly created_at_ms: number;
  readonly acted_at_ms: number | null;
  readonly ended_at_ms: number | null;
  /** The whole record as JSON; the columns above are what is searched for. */
  readonly data: string;
}

export interface MaintenanceRow {
  readonly id: string;
  readonly target: string;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly reason: string;
}

export interface SilenceRow {
  readonly id: string;
  readonly series: string;
  readonly from_ms: number;
  readonly to_ms: number;
  readonly reason: string;
}

export interface ToleranceRow {
  readonly series: string;
  readonly direction: string;
  /** A change up to this is none: a person said so. In the unit of the series. */
  readonly change: number;
  readonly incident_id: string;
}

export interface CrossingRow {
  readonly id: string;
  readonly incident_id: string;
  readonly started_at_ms: number;
  readonly cleared_at_ms: number | null;
  readonly data: string;
}

export interface ChangeRow {
  readonly id: string;
  readonly kind: string;
  readonly target: string;
  readonly summary: string;
  readonly at_ms: number;
  readonly data: string;
}

export interface StoryRow {
  readonly incident_id: string;
  readonly position: number;
  readonly at_ms: number;
  readonly kind: string;
  readonly text: string;
  readonly data: string;
}

export interface Tables {
  readonly coordinator_tasks: TaskRow;
  readonly coordinator_incidents: IncidentRow;
  readonly coordinator_crossings: CrossingRow;
  readonly coordinator_changes: ChangeRow;
  readonly coordinator_incident_changes: { readonly incident_id: string; readonly change_id: string };
  readonly coordinator_story: StoryRow;
  readonly coordinator_actions: ActionRow;
  readonly coordinator_diagnoses: { readonly incident_id: string; readonly data: string };
  readonly coordinator_maintenances: MaintenanceRow;
  readonly coordinator_tolerances: ToleranceRow;
  readonly coordinator_silences: SilenceRow;
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .createTable("coordinator_tasks")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("seq", "bigint", (c) => c.notNull().unique())
        .addColumn("type", "text", (c) => c.notNull())
        .addColumn("description", "text", (c) => c.notNull())
        .addColumn("params", "text", (c) => c.notNull())
        .addColumn("domain", "text")
        .addColumn("priority", "integer", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("attempts", "integer", (c) => c.notNull())
        .addColumn("max_attempts", "integer", (c) => c.notNull())
        .addColumn("allowance", "integer", (c) => c.notNull())
        .addColumn("run_after_ms", "bigint", (c) => c.notNull())
        .addColumn("timeout_ms", "integer", (c) => c.notNull())
        .addColumn("repeatable", "integer", (c) => c.notNull())
        .addColumn("result", "text", (c) => c.notNull())
        .addColumn("effect", "text")
        .addColumn("error", "text")
        .addColumn("organ", "text")
        .addColumn("agent", "text")
        .addColumn("incident_id", "text")
        .addColumn("submitted_by", "text", (c) => c.notNull())
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .addColumn("updated_at_ms", "bigint", (c) => c.notNull())
        .addColumn("lease_epoch", "bigint")
        .addColumn("lease_holder", "text")
        .addColumn("lease_until_ms", "bigint")
        .compile(),
      q.schema.createIndex("coordinator_tasks_state").on("coordinator_tasks").columns(["state", "seq"]).compile(),
      q.schema
        .createIndex("coordinator_tasks_queued")
        .on("coordinator_tasks")
        .columns(["priority desc", "seq"])
        .where(sql<boolean>`state = 'queued'`)
        .compile(),
      q.schema
        .createIndex("coordinator_tasks_scheduled")
        .on("coordinator_tasks")
        .column("run_after_ms")
        .where(sql<boolean>`state = 'scheduled'`)
        .compile(),
      q.schema
        .createIndex("coordinator_tasks_incident")
        .on("coordinator_tasks")
        .column("incident_id")
        .where(sql<boolean>`incident_id is not null`)
        .compile(),
      q.schema
        .createTable("coordinator_incidents")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("title", "text", (c) => c.notNull())
        .addColumn("severity", "text", (c) => c.notNull())
        .addColumn("opened_at_ms", "bigint", (c) => c.notNull())
        .addColumn("updated_at_ms", "bigint", (c) => c.notNull())
        .addColumn("resolved_at_ms", "bigint")
        .addColumn("series", "text", (c) => c.notNull())
        .addColumn("rule", "text")
        .addColumn("skill", "text")
        .addColumn("task_id", "text")
        .addColumn("distance", "double precision", (c) => c.notNull())
        .addColumn("last_event_ms", "bigint", (c) => c.notNull())
        .addColumn("last_heard_ms", "bigint", (c) => c.notNull())
        .compile(),
      q.schema
        .createIndex("coordinator_incidents_state")
        .on("coordinator_incidents")
        .columns(["state", "opened_at_ms"])
        .compile(),
      q.schema
        .createTable("coordinator_crossings")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("incident_id", "text", (c) => c.notNull())
        .addColumn("started_at_ms", "bigint", (c) => c.notNull())
        .addColumn("cleared_at_ms", "bigint")
        .addColumn("data", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createIndex("coordinator_crossings_incident")
        .on("coordinator_crossings")
        .columns(["incident_id", "started_at_ms"])
        .compile(),
      q.schema
        .createTable("coordinator_changes")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("target", "text", (c) => c.notNull())
        .addColumn("summary", "text", (c) => c.notNull())
        .addColumn("at_ms", "bigint", (c) => c.notNull())
        .addColumn("data", "text", (c) => c.notNull())
        .compile(),
      q.schema.createIndex("coordinator_changes_time").on("coordinator_changes").column("at_ms").compile(),
      q.schema
        .createTable("coordinator_incident_changes")
        .addColumn("incident_id", "text", (c) => c.notNull())
        .addColumn("change_id", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("coordinator_incident_changes_key", ["incident_id", "change_id"])
        .compile(),
      q.schema
        .createTable("coordinator_story")
        .addColumn("incident_id", "text", (c) => c.notNull())
        .addColumn("position", "integer", (c) => c.notNull())
        .addColumn("at_ms", "bigint", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("text", "text", (c) => c.notNull())
        .addColumn("data", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("coordinator_story_key", ["incident_id", "position"])
        .compile(),
    ],
  },
  {
    version: 2,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema.alterTable("coordinator_incidents").addColumn("cause", "text").compile(),
      q.schema.alterTable("coordinator_incidents").addColumn("label", "text").compile(),
      q.schema
        .createTable("coordinator_diagnoses")
        .addColumn("incident_id", "text", (c) => c.primaryKey())
        .addColumn("data", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createTable("coordinator_actions")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("incident_id", "text", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("target", "text", (c) => c.notNull())
        .addColumn("task_id", "text")
        .addColumn("undo_task_id", "text")
        .addColumn("created_at_ms", "bigint", (c) => c.notNull())
        .addColumn("acted_at_ms", "bigint")
        .addColumn("ended_at_ms", "bigint")
        .addColumn("data", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createIndex("coordinator_actions_incident")
        .on("coordinator_actions")
        .columns(["incident_id", "created_at_ms"])
        .compile(),
      q.schema
        .createIndex("coordinator_actions_state")
        .on("coordinator_actions")
        .columns(["state", "created_at_ms"])
        .compile(),
      q.schema
        .createTable("coordinator_maintenances")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("target", "text", (c) => c.notNull())
        .addColumn("from_ms", "bigint", (c) => c.notNull())
        .addColumn("to_ms", "bigint", (c) => c.notNull())
        .addColumn("reason", "text", (c) => c.notNull())
        .compile(),
      q.schema
        .createTable("coordinator_tolerances")
        .addColumn("series", "text", (c) => c.notNull())
        .addColumn("direction", "text", (c) => c.notNull())
        .addColumn("change", "double precision", (c) => c.notNull())
        .addColumn("incident_id", "text", (c) => c.notNull())
        .addPrimaryKeyConstraint("coordinator_tolerances_key", ["series", "direction"])
        .compile(),
    ],
  },
  {
    version: 3,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema.alterTable("coordinator_incidents").addColumn("acknowledged_by", "text").compile(),
      q.schema
        .createTable("coordinator_silences")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("series", "text", (c) => c.notNull())
        .addColumn("from_ms", "bigint", (c) => c.notNull())
        .addColumn("to_ms", "bigint", (c) => c.notNull())
        .addColumn("reason", "text", (c) => c.notNull())
        .compile(),
    ],
  },
];

export const coordinatorSchema: Schema = { owner: "coordinator", migrations };
