/** The coordinator's live configuration. */
import { z } from "zod";
import { ModeRule, PolicyRule, Refusal } from "#contracts/policy.ts";

export const CoordinatorConfig = z.object({
  tasks: z
    .object({
      /** Tasks that run at once. */
      slots: z.int().min(1).max(1_024).default(64),
      /** First and longest bound of the delay before a retry. */
      retryBaseMs: z.number().positive().default(10_000),
      retryMaxMs: z.number().positive().default(300_000),
      /** Calls that may wait for tasks at once; each holds a place of its host, which the work needs too. */
      waiters: z.int().min(1).default(128),
      /** How long a closing coordinator waits for what it runs. The host has drained before: little is left. */
      closeMs: z.number().nonnegative().default(300),
    })
    .prefault({}),
  incidents: z
    .object({
      /** Crossings of different series this close in time belong together. */
      correlationMs: z.number().positive().default(120_000),
      /** An incident is over when none of its series has crossed or cleared for this long. */
      quietMs: z.number().positive().default(600_000),
      /** A crossing that nobody said has cleared keeps its incident open for this long. */
      holdMs: z.number().positive().default(3_600_000),
      /** Changes this long before an incident are shown with it. */
      changeMs: z.number().nonnegative().default(600_000),
      /** Distance from the expected value, in spreads, from which severity is medium or high. */
      mediumDistance: z.number().positive().default(8),
      highDistance: z.number().positive().default(20),
      /** Series involved from which severity is medium or high. */
      mediumSeries: z.int().positive().default(2),
      highSeries: z.int().positive().default(4),
    })
    .prefault({}),
  /** Whether an action helped, by the series it was meant for. */
  effects: z
    .object({
      /** How long after an action its series are looked at first. */
      settleMs: z.number().nonnegative().default(2_000),
      /** How long they may take to be routine again. */
      withinMs: z.number().positive().default(60_000),
      /** Newest points that must be routine, by their median. */
      points: z.int().min(1).max(50).default(5),
      /** Spreads within which a value is routine. */
      spreads: z.number().positive().default(4),
    })
    .prefault({}),
  approvals: z
    .object({
      /** How long a proposal waits for a person. */
      expireMs: z.number().positive().default(3_600_000),
    })
    .prefault({}),
  blastRadius: z
    .object({
      /** Actions on one target, or by one rule without a target, within an hour; more are held back. */
      perTargetPerHour: z.int().min(1).default(3),
    })
    .prefault({}),
  /** The first rule that matches an incident, and was not followed for what is to blame, decides. */
  policy: z.array(PolicyRule).default([
    {
      name: "roll back",
      when: `cause.isOwn && cause.kind == "change" && cause.changeKind == "deploy" && cause.confidence >= 0.7 && cause.ageS >= 15`,
      skill: "roll-back-host",
      target: "{cause.host}",
      params: {},
    },
    {
      name: "restart",
      when: `cause.isOwn && cause.kind in ["latency", "errors", "memory", "crash"] && cause.confidence >= 0.7 && (cause.ageS >= 15 || recalled.helped > recalled.failed)`,
      skill: "restart-host",
      target: "{cause.host}",
      params: {},
    },
    {
      name: "escalate",
      when: "(tried.useless > 0 || asked.expired > 0) && !incident.isAcknowledged",
      skill: "notify",
      target: "",
      params: {
        channel: "log",
        message: "{incident.severity} incident {incident.id} needs a person: {incident.title}",
      },
    },
    {
      name: "tell",
      when: "true",
      skill: "notify",
      target: "",
      params: { channel: "log", message: "{incident.severity} incident {incident.id}: {incident.title}" },
    },
  ]),
  /** A newer configuration that was refused before it came here: told to whoever asks. No file may say it. */
  refused: Refusal.nullable().default(null),
  /** How far skills may go, by skill and target. Where none fits: act without a risk, propose with one. */
  modes: z.array(ModeRule).default([]),
});
export type CoordinatorConfig = z.output<typeof CoordinatorConfig>;
