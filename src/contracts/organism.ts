/** organism: organs of agents that execute skills and check that they helped. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { CauseKind } from "./cognitive.ts";

export const Organ = z.object({
  id: z.string(),
  kind: z.enum(["cognitive", "actuator", "utility"]),
  summary: z.string(),
  skills: z.array(z.string()),
  agents: z.array(z.string()),
});
export type Organ = z.output<typeof Organ>;

/** A named action an agent can execute. */
export const Skill = z.object({
  name: z.string(),
  summary: z.string(),
  risk: z.enum(["none", "low", "high"]),
  /** Whether it may be run again when nobody knows whether it ran. */
  idempotent: z.boolean(),
  /** The longest one execution may take, its effect check included. */
  timeoutMs: z.int(),
  /** JSON Schema of its parameters. */
  params: z.json(),
  /** How its effect is checked, in words. */
  effectCheck: z.string(),
  /** Kinds of causes it is meant for. */
  remedies: z.array(CauseKind),
  /** Whether it may make things routine again; what only tells or hides something is judged by its own effect alone. */
  repairs: z.boolean().default(true),
  /** The parameter that says what it is done to; null for one that is done to nothing. */
  targetParam: z.string().nullable(),
  /** Whether it can be taken back. */
  canUndo: z.boolean(),
});

export type Skill = z.output<typeof Skill>;

/** Whether what was done shows in the world: `confirmed` and `absent` were looked at, `unknown` could not be. */
export const Effect = z.object({ state: z.enum(["confirmed", "absent", "unknown"]), evidence: z.string() });
export type Effect = z.output<typeof Effect>;

const Undo = z.object({ skill: z.string(), params: z.record(z.string(), z.json()) });

export const Execution = z.object({
  organ: z.string(),
  agent: z.string(),
  skill: z.string(),
  result: z.json(),
  effect: Effect,
  /** What it changed in the system, for those who look for causes later; null for a skill that changes nothing. */
  change: z.object({ kind: z.string(), target: z.string(), summary: z.string() }).nullable(),
  /** The task that takes it back; null where there is nothing to take back. */
  undo: Undo.nullable(),
  durationMs: z.number(),
});
export type Execution = z.output<typeof Execution>;

/** Sends tasks of a type, or of a type within a domain, to an organ and one of its skills. */
export const RoutingRule = z.object({
  taskType: z.string().min(1).max(100),
  /** null: whatever the domain. */
  domain: z.string().max(100).nullable(),
  organ: z.string(),
  skill: z.string(),
});
export type RoutingRule = z.output<typeof RoutingRule>;

export const organism = defineContract("organism", {
  summary: "Organs of agents that execute skills and check that they helped.",
  state: "none",
  procedures: {
    organs: procedure({
      summary: "The organs with their agents and skills.",
      method: "GET",
      path: "/organs",
      input: z.object({}),
      output: z.object({ organs: z.array(Organ) }),
    }),
    skills: procedure({
      summary: "What agents can do.",
      method: "GET",
      path: "/skills",
      input: z.object({}),
      output: z.object({ skills: z.array(Skill) }),
    }),
    resolveRoute: procedure({
      summary: "The organ and the skill a task of this type and domain goes to, and by which rule.",
      method: "POST",
      path: "/resolve-route",
      scope: "read",
      idempotent: true,
      input: z.object({ type: z.string(), domain: z.string().optional() }),
      output: z.object({
        organ: z.string(),
        skill: z.string(),
        resolvedFrom: z.enum(["domain", "type", "skill"]),
        idempotent: z.boolean(),
        timeoutMs: z.int(),
      }),
      errors: { UNKNOWN_TASK_TYPE: z.object({ type: z.string(), known: z.array(z.string()) }) },
    }),
    undoOf: procedure({
      summary:
        "What would take such a task back, asked before it is begun; null where nothing does, or only the execution tells.",
      method: "POST",
      path: "/undo-of",
      scope: "read",
      idempotent: true,
      input: z.object({ type: z.string(), params: z.record(z.string(), z.json()).default({}) }),
      output: z.object({ undo: Undo.nullable() }),
      errors: {
        UNKNOWN_TASK_TYPE: z.object({ type: z.string(), known: z.array(z.string()) }),
        BAD_PARAMS: z.object({ issues: z.array(z.string()) }),
      },
    }),
    execute: procedure({
      summary: "Routes a task to an organ, lets one of its agents execute the skill, and checks the effect.",
      method: "POST",
      path: "/execute",
      input: z.object({
        taskId: z.string(),
        type: z.string(),
        params: z.record(z.string(), z.json()).default({}),
        domain: z.string().optional(),
        /** The coordinator's fencing token: a lower one than was seen, or one that is running, is refused as CONFLICT. */
        attempt: z.int().min(1).default(1),
      }),
      output: Execution,
      errors: {
        UNKNOWN_TASK_TYPE: z.object({ type: z.string(), known: z.array(z.string()) }),
        BAD_PARAMS: z.object({ issues: z.array(z.string()) }),
        SKILL_FAILED: z.object({ skill: z.string(), reason: z.string(), retryable: z.boolean() }),
      },
      deadlineMs: 300_000,
    }),
    routingRules: procedure({
      summary: "The routing rules, most specific first.",
      method: "GET",
      path: "/routing/rules",
      input: z.object({}),
      output: z.object({ rules: z.array(RoutingRule) }),
    }),
    changeRoutingRules: procedure({
      summary: "Removes, then adds routing rules; a rule for the same type and domain is replaced.",
      method: "PUT",
      path: "/routing/rules",
      scope: "admin",
      input: z.object({
        add: z.array(RoutingRule).default([]),
        remove: z.array(RoutingRule.pick({ taskType: true, domain: true })).default([]),
      }),
      output: z.object({ rules: z.array(RoutingRule) }),
      errors: {
        UNKNOWN_ORGAN: z.object({ organ: z.string(), known: z.array(z.string()) }),
        UNKNOWN_SKILL: z.object({ skill: z.string(), known: z.array(z.string()) }),
      },
    }),
    status: procedure({
      summary: "Executions by organ and outcome since this replica started.",
      method: "GET",
      path: "/status",
      input: z.object({}),
      output: z.object({
        organs: z.array(
          z.object({ id: z.string(), agents: z.int(), running: z.int(), succeeded: z.int(), failed: z.int() }),
        ),
      }),
    }),
  },
});
