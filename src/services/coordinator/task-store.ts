/** Statements over the tasks. Compiled once each: building one costs more than running it. */
import { type CompiledQuery, type Kysely, sql } from "kysely";
import type { Task, TaskState } from "#contracts/task.ts";
import type { Database, Row } from "#runtime/storage/database.ts";
import type { TaskRow, Tables } from "./schema.ts";
import type { Lease, TaskRecord } from "./task.ts";

export interface TaskFilter {
  readonly state: TaskState | undefined;
  readonly type: string | undefined;
  readonly limit: number;
  /** Only tasks submitted before this one. */
  readonly before: string | undefined;
}

export type TaskStore = ReturnType<typeof createTaskStore>;

const QUEUED = sql<boolean>`state = 'queued'`;
const SCHEDULED = sql<boolean>`state = 'scheduled'`;

export function createTaskStore(db: Database, q: Kysely<Tables>) {
  const insertTemplate = q.insertInto("coordinator_tasks").values(toRow(BLANK)).compile();
  const selectTemplate = q.selectFrom("coordinator_tasks").selectAll().where("id", "=", "").compile();
  const replaceTemplate = q
    .updateTable("coordinator_tasks")
    .set(toChanges(toRow(BLANK)))
    .where("id", "=", "")
    .where("state", "=", "")
    .where("attempts", "=", 0)
    .where(sql<number>`coalesce(lease_epoch, -1)`, "=", -1)
    .compile();

  return {
    insert: (task: TaskRecord): CompiledQuery => ({ ...insertTemplate, parameters: Object.values(toRow(task)) }),

    /** Replaces what `before` became, unless somebody else changed it meanwhile: then it touches no row. */
    replace: (before: TaskRecord, after: TaskRecord): CompiledQuery => ({
      ...replaceTemplate,
      parameters: [
        ...Object.values(toChanges(toRow(after))),
        before.id,
        before.state,
        before.attempts,
        before.lease?.epoch ?? -1,
      ],
    }),

    /** Takes the next queued tasks, by priority, then age, and returns their rows. */
    claim: (limit: number, lease: Omit<Lease, "untilMs">, nowMs: number, graceMs: number): CompiledQuery =>
      q
        .updateTable("coordinator_tasks")
        .set((e) => ({
          state: "running",
          attempts: e("attempts", "+", 1),
          lease_epoch: lease.epoch,
          lease_holder: lease.holder,
          // The sum is a time, which is more than the column of a duration can hold.
          lease_until_ms: e(e.cast<number>("timeout_ms", "bigint"), "+", nowMs + graceMs),
          updated_at_ms: nowMs,
        }))
        .where("id", "in", (e) =>
          e
            .selectFrom("coordinator_tasks")
            .select("id")
            .where(QUEUED)
            .orderBy("priority", "desc")
            .orderBy("seq")
            .limit(limit),
        )
        .returningAll()
        .compile(),

    /** Queues what is due. */
    promote: (nowMs: number): CompiledQuery =>
      q
        .updateTable("coordinator_tasks")
        .set({ state: "queued", updated_at_ms: nowMs })
        .where(SCHEDULED)
        .where("run_after_ms", "<=", nowMs)
        .compile(),

    async get(id: string): Promise<TaskRecord | undefined> {
      const [row] = await db.read<TaskRow>({ ...selectTemplate, parameters: [id] } as CompiledQuery<TaskRow>);
      return row === undefined ? undefined : fromRow(row);
    },

    async list(filter: TaskFilter): Promise<{ tasks: TaskRecord[]; total: number }> {
      const matching = q
        .selectFrom("coordinator_tasks")
        .$if(filter.state !== undefined, (s) => s.where("state", "=", filter.state ?? ""))
        .$if(filter.type !== undefined, (s) => s.where("type", "=", filter.type ?? ""));
      const page = matching
        .selectAll()
        .$if(filter.before !== undefined, (s) =>
          s.where("seq", "<", (e) =>
            e
              .selectFrom("coordinator_tasks")
              .select("seq")
              .where("id", "=", filter.before ?? ""),
          ),
        )
        .orderBy("seq", "desc")
        .limit(filter.limit);
      const [rows, counts] = await Promise.all([
        db.read(page.compile()),
        db.read(matching.select((e) => e.fn.countAll<number>().as("total")).compile()),
      ]);
      return { tasks: rows.map(fromRow), total: Number(counts[0]?.total ?? 0) };
    },

    async ofIncident(incidentId: string): Promise<TaskRecord[]> {
      const query = q.selectFrom("coordinator_tasks").selectAll().where("incident_id", "=", incidentId).orderBy("seq");
      return (await db.read(query.compile())).map(fromRow);
    },

    async running(): Promise<TaskRecord[]> {
      const query = q.selectFrom("coordinator_tasks").selectAll().where("state", "=", "running").orderBy("seq");
      return (await db.read(query.compile())).map(fromRow);
    },

    /** When the earliest scheduled task is due. */
    async nextDueMs(): Promise<number | undefined> {
      const query = q
        .selectFrom("coordinator_tasks")
        .select("run_after_ms")
        .where(SCHEDULED)
        .orderBy("run_after_ms")
        .limit(1);
      return (await db.read(query.compile()))[0]?.run_after_ms;
    },

    async lastSeq(): Promise<number> {
      const query = q.selectFrom("coordinator_tasks").select("seq").orderBy("seq", "desc").limit(1);
      return (await db.read(query.compile()))[0]?.seq ?? 0;
    },

    async countByState(): Promise<Record<TaskState, number>> {
      const query = q
        .selectFrom("coordinator_tasks")
        .select((e) => ["state", e.fn.countAll<number>().as("count")])
        .groupBy("state");
      const counts = { scheduled: 0, queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
      for (const row of await db.read(query.compile())) counts[row.state as TaskState] = Number(row.count);
      return counts;
    },

    /** When the longest-waiting queued task was submitted. */
    async oldestQueuedMs(): Promise<number | undefined> {
      const query = q
        .selectFrom("coordinator_tasks")
        .select("run_after_ms")
        .where("state", "=", "queued")
        .orderBy("seq")
        .limit(1);
      return (await db.read(query.compile()))[0]?.run_after_ms;
    },
  };
}

const BLANK: TaskRecord = {
  id: "",
  seq: 0,
  type: "",
  description: "",
  params: {},
  domain: null,
  priority: 5,
  state: "queued",
  attempts: 0,
  maxAttempts: 1,
  allowance: 1,
  runAfterMs: 0,
  timeoutMs: 1,
  repeatable: false,
  result: null,
  effect: null,
  error: null,
  organ: null,
  agent: null,
  incidentId: null,
  submittedBy: "",
  createdAtMs: 0,
  updatedAtMs: 0,
  lease: null,
};

/** Always the same columns in the same order: templates rely on it. */
function toRow(task: TaskRecord): TaskRow {
  return {
    id: task.id,
    seq: task.seq,
    type: task.type,
    description: task.description,
    params: JSON.stringify(task.params),
    domain: task.domain,
    priority: task.priority,
    state: task.state,
    attempts: task.attempts,
    max_attempts: task.maxAttempts,
    allowance: task.allowance,
    run_after_ms: task.runAfterMs,
    timeout_ms: task.timeoutMs,
    repeatable: task.repeatable ? 1 : 0,
    result: JSON.stringify(task.result ?? null),
    effect: task.effect === null ? null : JSON.stringify(task.effect),
    error: task.error === null ? null : JSON.stringify(task.error),
    organ: task.organ,
    agent: task.agent,
    incident_id: task.incidentId,
    submitted_by: task.submittedBy,
    created_at_ms: task.createdAtMs,
    updated_at_ms: task.updatedAtMs,
    lease_epoch: task.lease?.epoch ?? null,
    lease_holder: task.lease?.holder ?? null,
    lease_until_ms: task.lease?.untilMs ?? null,
  };
}

/** The columns that events change. */
function toChanges(row: TaskRow) {
  const { state, attempts, max_attempts, run_after_ms, result, effect, error, organ, agent, updated_at_ms } = row;
  const { lease_epoch, lease_holder, lease_until_ms } = row;
  return {
    state,
    attempts,
    max_attempts,
    run_after_ms,
    result,
    effect,
    error,
    organ,
    agent,
    updated_at_ms,
    lease_epoch,
    lease_holder,
    lease_until_ms,
  };
}

/** The task of a row that a claim returned. */
export function fromClaimed(row: Row): TaskRecord {
  return fromRow(row as unknown as TaskRow);
}

function fromRow(row: TaskRow): TaskRecord {
  return {
    id: row.id,
    seq: row.seq,
    type: row.type,
    description: row.description,
    params: JSON.parse(row.params) as TaskRecord["params"],
    domain: row.domain,
    priority: row.priority,
    state: row.state as TaskState,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    allowance: row.allowance,
    runAfterMs: row.run_after_ms,
    timeoutMs: row.timeout_ms,
    repeatable: row.repeatable === 1,
    result: JSON.parse(row.result) as TaskRecord["result"],
    effect: row.effect === null ? null : (JSON.parse(row.effect) as TaskRecord["effect"]),
    error: row.error === null ? null : (JSON.parse(row.error) as TaskRecord["error"]),
    organ: row.organ,
    agent: row.agent,
    incidentId: row.incident_id,
    submittedBy: row.submitted_by,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    lease:
      row.lease_epoch === null || row.lease_holder === null || row.lease_until_ms === null
        ? null
        : { epoch: row.lease_epoch, holder: row.lease_holder, untilMs: row.lease_until_ms },
  };
}

/** What outsiders see of a task. */
export function toTask({
  seq: _seq,
  allowance: _allowance,
  repeatable: _repeatable,
  lease: _lease,
  ...task
}: TaskRecord): Task {
  return task;
}
