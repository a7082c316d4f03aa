/** coordinator: keeps tasks until they have a result, and turns what ml noticed into incidents with a decision. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { CauseKind, Diagnosis } from "./cognitive.ts";
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
  kind: z.enum([
    "noticed",
    "joined",
    "change",
    "recalled",
    "diagnosed",
    "decided",
    "proposed",
    "approved",
    "acted",
    "outcome",
    "undone",
    "quiet",
    "resolved",
    "labelled",
    "acknowledged",
    "note",
  ]),
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
  /** What was decided last: the rule of the policy and its skill; null while undecided. */
  decision: z.object({ rule: z.string(), skill: z.string(), taskId: z.string().nullable() }).nullable(),
  /** What is to blame, as far as is known; null before the first diagnosis. */
  cause: z.object({ service: z.string().nullable(), kind: CauseKind, confidence: z.number() }).nullable(),
  /** Who has said that they are at it; null while nobody has. */
  acknowledgedBy: z.string().nullable(),
  /** What a person said of it. */
  label: z.enum(["incident", "not-an-incident"]).nullable(),
});
export type Incident = z.output<typeof Incident>;

/** How far a decision may go: write down what would have been done, ask a person, or do it. */
export const Mode = z.enum(["observe", "propose", "act"]);
export type Mode = z.output<typeof Mode>;

/**
 * observed: would have been done · held: not now, for the reason given · proposed: waits for a person · rejected, expired:
 * final · acting: its task is under way · done: it repairs nothing, such as telling somebody, and was done · checking: done,
 * and its effect is looked for · helped: final · useless: it did not help, and there is nothing to undo · undoing, undone: it
 * did not help and is taken back · failed: its task failed · unknown: nobody knows whether it was done, or whether it helped;
 * a person says so.
 */
export const ActionState = z.enum([
  "observed",
  "held",
  "proposed",
  "rejected",
  "expired",
  "acting",
  "done",
  "checking",
  "helped",
  "useless",
  "undoing",
  "undone",
  "failed",
  "unknown",
]);
export type ActionState = z.output<typeof ActionState>;

/** One thing that was decided about an incident, and what became of it. */
export const Action = z.object({
  id: z.string(),
  incidentId: z.string(),
  rule: z.string(),
  skill: z.string(),
  /** Host, service or whatever else the skill is done to; empty for one that is done to nothing. */
  target: z.string(),
  params: z.record(z.string(), z.json()),
  mode: Mode,
  state: ActionState,
  /** Why it is in this state, in a sentence. */
  reason: z.string(),
  cause: z.object({ service: z.string().nullable(), kind: CauseKind, confidence: z.number() }).nullable(),
  /** ΔE that was expected and that was measured; negative is good. */
  predictedDeltaE: z.number().nullable(),
  measuredDeltaE: z.number().nullable(),
  taskId: z.string().nullable(),
  undoTaskId: z.string().nullable(),
  /** Series that must be routine again for it to have helped. */
  checkedSeries: z.array(z.string()),
  /** Who approved or rejected it, or told its outcome. */
  decidedBy: z.string().nullable(),
  createdAtMs: z.number(),
  /** Until when it may be approved; null when it need not be. */
  expiresAtMs: z.number().nullable(),
  /** When its task had ended. */
  actedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
});
export type Action = z.output<typeof Action>;

/** A time in which nothing is done to what it names: what would have been is written down. */
export const Maintenance = z.object({
  id: z.string(),
  /** A pattern with `*`; `*` is everything. */
  target: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  reason: z.string(),
});
export type Maintenance = z.output<typeof Maintenance>;

/** A time in which what some series do opens no incident and tells nobody. */
export const Silence = z.object({
  id: z.string(),
  /** A pattern with `*` over `<source>/<series>`. */
  series: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  reason: z.string(),
});
export type Silence = z.output<typeof Silence>;

export const IncidentDetail = Incident.extend({
  crossings: z.array(Crossing),
  /** Changes shortly before it or during it. */
  changes: z.array(RecordedChange),
  diagnosis: Diagnosis.nullable(),
  actions: z.array(Action),
  story: z.array(StoryEntry),
  tasks: z.array(Task),
});

/** One rule of the policy: the first that matches an incident, and has not been followed for it, decides. */
export const PolicyRule = z.strictObject({
  name: z.string().min(1).max(100),
  /** An expression in CEL over the signals; `true` matches every incident. docs/policy.md lists the signals. */
  when: z.string().min(1).max(2_000).default("true"),
  skill: z.string(),
  /** What the skill is done to, such as `{cause.host}`; left out for skills that are done to nothing. */
  target: z.string().max(200).default(""),
  /** Texts may name signals, such as `{incident.id}`, `{incident.title}`, `{cause.service}`. */
  params: z.record(z.string(), z.json()).default({}),
});
export type PolicyRule = z.output<typeof PolicyRule>;

/** Which mode holds for which skills and targets, as patterns with `*`; the first that fits counts. */
export const ModeRule = z.strictObject({
  skill: z.string().default("*"),
  target: z.string().default("*"),
  mode: Mode,
});
export type ModeRule = z.output<typeof ModeRule>;

const UNKNOWN_TASK = z.object({ id: z.string() });
const UNKNOWN_INCIDENT = z.object({ id: z.string() });
const UNKNOWN_ACTION = z.object({ id: z.string() });

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
    labelIncident: procedure({
      summary: "Says whether it was an incident; what was none makes its series that much harder to alarm.",
      method: "PUT",
      path: "/incidents/{id}/label",
      input: z.object({ id: z.string(), label: z.enum(["incident", "not-an-incident"]) }),
      output: Incident,
      errors: { UNKNOWN_INCIDENT },
    }),
    acknowledgeIncident: procedure({
      summary: "Says that somebody is at it: the policy then need not call anybody else.",
      method: "PUT",
      path: "/incidents/{id}/acknowledgement",
      input: z.object({ id: z.string() }),
      output: Incident,
      errors: { UNKNOWN_INCIDENT },
    }),
    silences: procedure({
      summary: "Silences that are now or to come.",
      method: "GET",
      path: "/silences",
      input: z.object({}),
      output: z.object({ silences: z.array(Silence) }),
    }),
    addSilence: procedure({
      summary: "Keeps some series from opening incidents for a time; they are scored all the same.",
      method: "POST",
      path: "/silences",
      input: z.object({
        series: z.string().min(1).max(200).describe("A pattern with * over <source>/<series>"),
        fromMs: z.int().nonnegative().optional().describe("Now when left out"),
        toMs: z.int().nonnegative(),
        reason: z.string().max(1_000).default(""),
      }),
      output: Silence,
    }),
    removeSilence: procedure({
      summary: "Ends a silence.",
      method: "DELETE",
      path: "/silences/{id}",
      input: z.object({ id: z.string() }),
      output: z.object({ removed: z.boolean() }),
    }),
    listActions: procedure({
      summary: "What was decided, newest first: done, proposed, or what would have been done.",
      method: "GET",
      path: "/actions",
      input: z.object({
        state: ActionState.optional(),
        limit: z.coerce.number().int().min(1).max(1_000).default(50),
      }),
      output: z.object({ actions: z.array(Action), total: z.int() }),
    }),
    decideAction: procedure({
      summary: "Approves or rejects what was proposed.",
      method: "POST",
      path: "/actions/{id}/decision",
      scope: "approve",
      idempotent: true,
      input: z.object({ id: z.string(), approve: z.boolean(), reason: z.string().max(1_000).default("") }),
      output: Action,
      errors: { UNKNOWN_ACTION, NOT_PROPOSED: z.object({ id: z.string(), state: ActionState }) },
    }),
    settleAction: procedure({
      summary: "Says what became of an action whose outcome nobody knew.",
      method: "POST",
      path: "/actions/{id}/outcome",
      scope: "approve",
      idempotent: true,
      input: z.object({ id: z.string(), outcome: z.enum(["helped", "useless", "failed"]) }),
      output: Action,
      errors: { UNKNOWN_ACTION, NOT_UNKNOWN: z.object({ id: z.string(), state: ActionState }) },
    }),
    maintenances: procedure({
      summary: "Times of maintenance that are now or to come.",
      method: "GET",
      path: "/maintenance",
      input: z.object({}),
      output: z.object({ maintenances: z.array(Maintenance) }),
    }),
    addMaintenance: procedure({
      summary: "Says that nothing is to be done to a target for a time.",
      method: "POST",
      path: "/maintenance",
      input: z.object({
        target: z.string().min(1).max(200).default("*"),
        fromMs: z.int().nonnegative().optional().describe("Now when left out"),
        toMs: z.int().nonnegative(),
        reason: z.string().max(1_000).default(""),
      }),
      output: Maintenance,
    }),
    removeMaintenance: procedure({
      summary: "Ends a time of maintenance.",
      method: "DELETE",
      path: "/maintenance/{id}",
      input: z.object({ id: z.string() }),
      output: z.object({ removed: z.boolean() }),
    }),
    policy: procedure({
      summary: "The policy in force: rules and modes, and why the newest one is not when it is not.",
      method: "GET",
      path: "/policy",
      input: z.object({}),
      output: z.object({
        rules: z.array(PolicyRule),
        modes: z.array(ModeRule),
        /** What is wrong with a configuration that came later and was refused, and rules whose skill does not exist. */
        problems: z.array(z.string()),
      }),
    }),
    testPolicy: procedure({
      summary: "What a policy would have decided on past incidents; does nothing.",
      method: "POST",
      path: "/policy/test",
      scope: "read",
      idempotent: true,
      input: z.object({
        /** Those in force when left out. */
        rules: z.array(PolicyRule).max(1_000).optional(),
        modes: z.array(ModeRule).max(1_000).optional(),
        sinceMs: z.int().nonnegative().default(0),
        limit: z.int().min(1).max(1_000).default(100),
      }),
      output: z.object({
        /** Why the policy cannot be used; nothing was tried then. */
        problems: z.array(z.string()),
        decisions: z.array(
          z.object({
            incidentId: z.string(),
            title: z.string(),
            rule: z.string().nullable(),
            skill: z.string().nullable(),
            target: z.string(),
            mode: Mode.nullable(),
            /** What was decided then. */
            actual: z.string().nullable(),
            /** Rules that could not be evaluated on it, with why. */
            errors: z.array(z.string()),
          }),
        ),
      }),
    }),
    status: procedure({
      summary: "Tasks by state, incidents, and how long decisions take.",
      method: "GET",
      path: "/status",
      input: z.object({}),
      output: z.object({
        tasks: z.record(z.string(), z.int()),
        incidents: z.object({ open: z.int(), resolved: z.int() }),
        actions: z.record(z.string(), z.int()),
        /** Crossing received to decision stored, milliseconds, over the latest 256; null before the first. */
        decisionP50Ms: z.number().nullable(),
      }),
    }),
  },
});
