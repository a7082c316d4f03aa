import { z } from "zod";

/** The organism's configuration. */
export const OrganismConfig = z.object({
  agentsPerOrgan: z.int().min(1).max(100).default(2),
  /** How often outcomes of agents are told to state, while there are some. */
  recordEveryMs: z.number().positive().default(5_000),
  /** Let skills ask addresses of private networks, or of this machine, without the task saying so. */
  allowPrivate: z.boolean().default(false),
  allowLoopback: z.boolean().default(false),
});
export type OrganismConfig = z.output<typeof OrganismConfig>;
