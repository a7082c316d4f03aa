/** coordinator: keeps tasks until they have a result, and turns what ml noticed into incidents with a decision. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { Crossing } from "./ml.ts";
import { Effect } from "./organism.ts";

/**
 * scheduled: waits for its time or a retry · queued: may be taken · running: leased by one executor · succeeded, failed
 * (its attempts are used up: the dead letters), cancelled: final.
 */
export const TaskState = z.enum(["scheduled", "queued", "running", "succeeded", "failed", "cancelled"]);
export type TaskState = z.output<typeof TaskState>;

export const Task = z.object({
  id: z.string(),
  type: z.string(),
  description: z.string(),
  params: z.record(z.string(), z.json()),
  domain: z.string().nullable(),
  /** 1 (lowest) to 10. */
  priority: z.int(),
  state: TaskState,
  /** Times an executor was given it; also the fencing token of the attempt that runs. */
  attempts: z.int(),
  /** Attempts after which it is a dead letter; `retryTask` grants a new set on top. */
  maxAttempts: z.int(),
  /** When it may run, or may run again. */
  runAfterMs: z.number(),
  /** For one attempt. */
  timeoutMs: z.int(),
  /** What the skill answered; null until it has. */
  result: z.json(),
  /** Whether what it did shows in the world; null until it has succeeded. */
  effect: Effect.nullable(),
  /** Why the last attempt failed; OUTCOME_UNKNOWN when it may have run and must not be repeated blindly. */
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  organ: z.string().nullable(),
  agent: z.string().nullable(),
  incidentId: z.string().nullable(),
  submittedBy: z.string(),
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
});
export type Task = z.output<typeof Task>;

export const TaskSubmission = z.object({
  type: z.string().min(1).max(100),
  description: z.string().max(10_000).default(""),
  params: z.record(z.string(), z.json()).default({}),
  domain: z.string().max(100).optional(),
  priority: z.int().min(1).max(10).default(5),
  /** Milliseconds since the epoch before which it does not run. */
  runAfterMs: z.int().nonnegative().optional(),
  maxAttempts: z.int().min(1).max(100).default(3),
  /** For one attempt; that of the skill when left out. */
  timeoutMs: z.int().min(10).max(300_000).optional(),
});
export type TaskSubmission = z.output<typeof TaskSubmission>;

/** Something that was done to the system: a deploy, a configuration, one of the organism's own actions. */
export const Change = z.object({
  id: z.string().max(200).optional().describe("For deduplication; made when left out"),
  kind: z.string().min(1).max(60).describe("deploy, config, scale, restart, note …"),
  target: z.string().max(200).default("").describe("Service, host or source it was done to"),
  summary: z.string().min(1).max(2_000),
  atMs: z.int().nonnegative().optional().describe("Now when left out"),
  data: z.record(z.string(), z.json()).default({}),
});

/** A change as it was recorded. */
export const RecordedChange = Change.extend({ id: z.string(), atMs: z.number() });
export type RecordedChange = z.output<typeof RecordedChange>;

export const IncidentState = z.enum(["open", "resolved"]);

export const StoryEntry = z.object({
  atMs: z.number(),
  kind: z.enum(["noticed", "joined", "change", "recalled", "decided", "acted", "outcome", "quiet", "resolved", "note"]),
  text: z.string(),
  data: z.json(),
});
export type StoryEntry = z.output<typeof StoryEntry>;

export const Severity = z.enum(["low", "medium", "high"]);
export type Severity = z.output<typeof Severity>;

export const Incident = z.object({
  id: z.string(),
  state: IncidentState,
  title: z.string(),
  severity: Severity,
  /** When the first of its series moved, in the time of the data. */
  openedAtMs: z.number(),
  updatedAtMs: z.number(),
  resolvedAtMs: z.number().nullable(),
  /** Series involved as `<source>/<series>`, the first to move first. */
  series: z.array(z.string()),
  /** What was decided: the rule of the policy table and its skill; null while undecided. */
  decision: z.object({ rule: z.string(), skill: z.string(), taskId: z.string().nullable() }).nullable(),
});
export type Incident = z.output<typeof Incident>;

export const IncidentDetail = Incident.extend({
  crossings: z.array(Crossing),
  /** Changes shortly before it or during it. */
  changes: z.array(RecordedChange),
  story: z.array(StoryEntry),
  tasks: z.array(Task),
});

/** One row of the policy table: the first that matches an incident decides. */
export const PolicyRule = z.strictObject({
  name: z.string(),
  // Strict: a rule with a misspelt condition would match every incident.
  when: z.strictObject({
    severity: z.array(Severity).optional(),
    /** Glob over `<source>/<series>`; matches when any series of the incident does. */
    series: z.string().optional(),
  }),
  skill: z.string(),
  /** Texts may name `{incident.id}`, `{incident.title}`, `{incident.severity}` and `{incident.series}`. */
  params: z.record(z.string(), z.json()),
});
export type PolicyRule = z.output<typeof PolicyRule>;

const UNKNOWN_TASK = z.object({ id: z.string() });
const UNKNOWN_INCIDENT = z.object({ id: z.string() });

export const coordinator = defineContract("coordinator", {
  summary: "Keeps tasks until they have a result, and turns what is noticed into incidents with a decision.",
  state: "single",
  procedures: {
    submitTask: procedure({
      summary: "Stores a task; it is run until it succeeds, its attempts are used up, or it is cancelled.",
      method: "POST",
      path: "/tasks",
      input: TaskSubmission,
      output: Task,
      errors: { UNKNOWN_TASK_TYPE: z.object({ type: z.string(), known: z.array(z.string()) }) },
    }),
    getTask: procedure({
      summary: "One task; with `waitMs`, as soon as it is final or the time is over.",
      method: "GET",
      path: "/tasks/{id}",
      input: z.object({ id: z.string(), waitMs: z.coerce.number().int().min(0).max(60_000).default(0) }),
      output: Task,
      errors: { UNKNOWN_TASK },
      deadlineMs: 65_000,
    }),
    listTasks: procedure({
      summary: "Tasks, newest first.",
      method: "GET",
      path: "/tasks",
      input: z.object({
        state: TaskState.optional(),
        type: z.string().optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(50),
        /** Continue below this id. */
        before: z.string().optional(),
      }),
      output: z.object({ tasks: z.array(Task), total: z.int() }),
    }),
    cancelTask: procedure({
      summary: "Cancels a task; a running one is stopped. A final one stays as it is.",
      method: "POST",
      path: "/tasks/{id}/cancel",
      input: z.object({ id: z.string() }),
      output: Task,
      errors: { UNKNOWN_TASK },
      idempotent: true,
    }),
    retryTask: procedure({
      summary: "Gives a failed or cancelled task a new set of attempts; other tasks stay as they are.",
      method: "POST",
      path: "/tasks/{id}/retry",
      input: z.object({ id: z.string() }),
      output: Task,
      errors: { UNKNOWN_TASK, NOT_RETRYABLE: z.object({ state: TaskState }) },
    }),
    reportCrossing: procedure({
      summary: "Takes a crossing into triage. Repeating it changes nothing.",
      method: "PUT",
      path: "/crossings/{id}",
      input: z.object({ id: z.string(), crossing: Crossing, clearedAtMs: z.int().optional() }),
      output: z.object({ incidentId: z.string().nullable() }),
    }),
    reportChange: procedure({
      summary: "Records that something was changed; incidents nearby in time show it.",
      method: "POST",
      path: "/changes",
      input: Change,
      output: z.object({ id: z.string() }),
    }),
    listIncidents: procedure({
      summary: "Incidents, newest first.",
      method: "GET",
      path: "/incidents",
      input: z.object({
        state: IncidentState.optional(),
        sinceMs: z.coerce.number().int().optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(50),
      }),
      output: z.object({ incidents: z.array(Incident), total: z.int() }),
    }),
    getIncident: procedure({
      summary: "One incident with its whole story.",
      method: "GET",
      path: "/incidents/{id}",
      input: z.object({ id: z.string() }),
      output: IncidentDetail,
      errors: { UNKNOWN_INCIDENT },
    }),
    watchIncidents: procedure({
      summary: "Incidents that are open, then each as it opens or changes.",
      method: "GET",
      path: "/incidents/live",
      input: z.object({}),
      output: Incident,
      stream: true,
    }),
    policy: procedure({
      summary: "The policy table in force.",
      method: "GET",
      path: "/policy",
      input: z.object({}),
      output: z.object({ rules: z.array(PolicyRule) }),
    }),
    status: procedure({
      summary: "Tasks by state, incidents, and how long decisions take.",
      method: "GET",
      path: "/status",
      input: z.object({}),
      output: z.object({
        tasks: z.record(z.string(), z.int()),
        incidents: z.object({ open: z.int(), resolved: z.int() }),
        /** Crossing received to decision stored, milliseconds, over the latest 256; null before the first. */
        decisionP50Ms: z.number().nullable(),
      }),
    }),
  },
});
