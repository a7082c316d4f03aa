/** coordinator: keeps tasks until they have a result, and turns what ml noticed into incidents with a decision. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { Action, ActionState, Mode } from "./action.ts";
import { Change, Incident, IncidentDetail, IncidentState } from "./incident.ts";
import { Crossing } from "./ml.ts";
import { Maintenance, ModeRule, PolicyRule, Refusal, Silence } from "./policy.ts";
import { Task, TaskState, TaskSubmission } from "./task.ts";

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
      summary: "Gives a failed or cancelled task a new set of attempts, unless it is that of an action with a risk.",
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
        /** Rules and modes that fit no skill: they are passed over. */
        problems: z.array(z.string()),
        /** The newest configuration, when it was refused; null once a good one is read. */
        refused: Refusal.nullable().default(null),
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
            /** Rules before it of which nobody knows whether they would have decided: what they ask for is not kept. */
            unknown: z.array(z.string()),
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
