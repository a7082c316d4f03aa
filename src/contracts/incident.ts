/** An incident of the coordinator, its story, and the changes beside it. */
import { z } from "zod";
import { Action } from "./action.ts";
import { CauseKind, Diagnosis } from "./cognitive.ts";
import { Crossing } from "./ml.ts";
import { Task } from "./task.ts";

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
    "rejected",
    "expired",
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

export const IncidentDetail = Incident.extend({
  crossings: z.array(Crossing),
  /** Changes shortly before it or during it. */
  changes: z.array(RecordedChange),
  diagnosis: Diagnosis.nullable(),
  actions: z.array(Action),
  story: z.array(StoryEntry),
  tasks: z.array(Task),
});
