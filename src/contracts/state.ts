/** state: what the organism knows of its agents and remembers of its incidents. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { Case, RecalledCase } from "./cognitive.ts";

const Share = z.number().min(0).max(1);
const Gain = z.number().min(-1e6).max(1e6);

/**
 * Shares of the roles explorer, specialist and observer; they sum to 1. What each does is in docs/policy.md, how they move in
 * services/state/role-step.ts.
 */
export const Roles = z.object({ E: Share, S: Share, O: Share });
export type Roles = z.output<typeof Roles>;

export const Agent = z.object({
  id: z.string(),
  organ: z.string(),
  roles: Roles,
  /** Smoothed success, 0 to 1: c ← .9 c + .1 outcome, from .5. A batch of n counts as n times its mean outcome. */
  capability: z.number(),
  succeeded: z.int(),
  failed: z.int(),
  /** The same by skill, for those it has executed. */
  skills: z.array(z.object({ skill: z.string(), capability: z.number(), succeeded: z.int(), failed: z.int() })),
  updatedAtMs: z.number(),
});
export type Agent = z.output<typeof Agent>;

export const Memory = z.object({
  id: z.string(),
  kind: z.string(),
  text: z.string(),
  data: z.record(z.string(), z.json()),
  /** When it was first stored under its id. */
  createdAtMs: z.number(),
});
export type Memory = z.output<typeof Memory>;

export const state = defineContract("state", {
  summary: "What the organism knows of its agents and remembers of its incidents.",
  state: "none",
  procedures: {
    agents: procedure({
      summary: "The agents, by organ.",
      method: "GET",
      path: "/agents",
      input: z.object({ organ: z.string().optional() }),
      output: z.object({ agents: z.array(Agent) }),
    }),
    recordOutcomes: procedure({
      summary:
        "Adds outcomes of executions to their agents; unknown agents are created. A repeated batch changes nothing.",
      method: "POST",
      path: "/agents/outcomes",
      idempotent: true,
      input: z.object({
        /** Deduplicates the batch. */
        batchId: z.string(),
        outcomes: z
          .array(
            z.object({
              agent: z.string().min(1),
              organ: z.string().min(1),
              /** Counted for the agent as a whole when left out. */
              skill: z.string().min(1).max(100).optional(),
              // Far from where sums of them would no longer be whole numbers.
              succeeded: z.int().min(0).max(1_000_000),
              failed: z.int().min(0).max(1_000_000),
              /** What an agent begins with, and leans to; equal shares when left out. */
              roles: Roles.refine(({ E, S, O }) => Math.abs(E + S + O - 1) < 1e-6, "do not sum to 1").optional(),
              /** By the role in which they were executed: what succeeded, less what was expected to. */
              gains: z.object({ E: Gain, S: Gain, O: Gain }).optional(),
            }),
          )
          .max(1_000),
      }),
      output: z.object({ agents: z.int() }),
    }),
    remember: procedure({
      summary: "Stores a memory under its id; storing it again replaces it.",
      method: "PUT",
      path: "/memories/{id}",
      input: z.object({
        id: z.string().min(1).max(200),
        kind: z.string().min(1).max(60),
        text: z.string().max(100_000),
        data: z.record(z.string(), z.json()).default({}),
      }),
      output: Memory,
    }),
    search: procedure({
      summary: "Memories by relevance to a text (BM25 over words).",
      method: "GET",
      path: "/memories",
      input: z.object({
        query: z.string().min(1).max(1_000),
        kind: z.string().optional(),
        limit: z.coerce.number().int().min(1).max(100).default(10),
      }),
      output: z.object({ hits: z.array(z.object({ memory: Memory, relevance: z.number() })) }),
    }),
    memory: procedure({
      summary: "One memory.",
      method: "GET",
      path: "/memories/{id}",
      input: z.object({ id: z.string() }),
      output: Memory,
      errors: { UNKNOWN_MEMORY: z.object({ id: z.string() }) },
    }),
    putCase: procedure({
      summary: "Stores the case of an incident under its id; storing it again replaces it, but for its weight.",
      method: "PUT",
      path: "/cases/{id}",
      input: Case.omit({ weight: true }).extend({ id: z.string().min(1).max(200) }),
      output: Case,
    }),
    weighCase: procedure({
      summary:
        "Says that a recalled case helped or misled: w ← w + .2 (1 - w), or w ← .5 w. A repeated report changes nothing.",
      method: "PUT",
      path: "/cases/{id}/weighings/{reportId}",
      input: z.object({ id: z.string(), reportId: z.string().min(1).max(200), misled: z.boolean() }),
      output: z.object({ weight: z.number() }),
      errors: { UNKNOWN_CASE: z.object({ id: z.string() }) },
    }),
    recallCases: procedure({
      summary: "Cases whose signature is like the one given, the likest first.",
      method: "POST",
      path: "/cases/recall",
      scope: "read",
      idempotent: true,
      input: z.object({
        signature: z.array(z.string()).min(1).max(1_000),
        limit: z.int().min(1).max(100).default(10),
        /** Only cases at least this like, 0 to 1. */
        minLikeness: z.number().min(0).max(1).default(0.3),
      }),
      output: z.object({ cases: z.array(RecalledCase), known: z.int() }),
    }),
    cases: procedure({
      summary: "Stored cases, newest first.",
      method: "GET",
      path: "/cases",
      input: z.object({ limit: z.coerce.number().int().min(1).max(10_000).default(100) }),
      output: z.object({ cases: z.array(Case), total: z.int() }),
    }),
    forgetCases: procedure({
      summary: "Forgets every case.",
      method: "DELETE",
      path: "/cases",
      scope: "admin",
      input: z.object({}),
      output: z.object({ forgotten: z.int() }),
    }),
  },
});
