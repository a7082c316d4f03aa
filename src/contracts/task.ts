/** A task of the coordinator: work that is kept until it has a result. */
import { z } from "zod";
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
