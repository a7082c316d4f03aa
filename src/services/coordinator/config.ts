/** The coordinator's live configuration. */
import { z } from "zod";
import { PolicyRule } from "#contracts/coordinator.ts";

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
  /** The first rule that matches an incident decides. */
  policy: z.array(PolicyRule).default([
    {
      name: "tell",
      when: {},
      skill: "notify",
      params: { channel: "log", message: "{incident.severity} incident {incident.id}: {incident.title}" },
    },
  ]),
});
export type CoordinatorConfig = z.output<typeof CoordinatorConfig>;
