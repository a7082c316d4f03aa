/** What the coordinator decided to do about an incident, and what became of it. */
import { z } from "zod";
import { CauseKind } from "./cognitive.ts";

/** How far a decision may go: write down what would have been done, ask a person, or do it. */
export const Mode = z.enum(["observe", "propose", "act"]);
export type Mode = z.output<typeof Mode>;

/**
 * observed: written down instead of done, for its mode or for maintenance · held: not now, for the reason given · proposed: waits for a person · rejected, expired:
 * final · acting: its task is under way · done: it repairs nothing, such as telling somebody, and was done · checking: done,
 * or perhaps done, and its effect is looked for · helped: final · useless: it did not help, and there is nothing to undo · undoing, undone: it
 * did not help and is taken back, or will be when maintenance is over · failed: its task failed · unknown: nobody knows whether it was done, whether it
 * helped, or whether it was taken back; a person says so.
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
  /** Why it was decided for: how likely it was to help, by which cases, and what else there was. Left out of what was not weighed. */
  reasoning: z.string().optional(),
  /** Whether nothing but its mode, observe, kept it from being begun; false of all that is not `observed`. */
  wouldBegin: z.boolean().default(false),
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
  /** When its task had succeeded, or nobody saw how it ended. */
  actedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
});
export type Action = z.output<typeof Action>;
