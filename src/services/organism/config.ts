import { z } from "zod";
import { CommandConfig } from "./skills/run-command.ts";

/** The organism's configuration. */
export const OrganismConfig = z.object({
  /** Agents that an organ has at least; it takes on others while each has four executions, and lets them go again. */
  agentsPerOrgan: z.int().min(1).max(100).default(2),
  maxAgentsPerOrgan: z.int().min(1).max(100).default(16),
  /** How often outcomes of agents are told to state, while there are some. */
  recordEveryMs: z.number().positive().default(5_000),
  /** Let skills ask addresses of private networks, or of this machine, without the task saying so. */
  allowPrivate: z.boolean().default(false),
  allowLoopback: z.boolean().default(false),
  /** Addresses of notifications by name: `SEEDCORE_SECRET_<NAME>`. */
  secrets: z.record(z.string(), z.string()).default({}),
  /** Commands that the skill run-command may run, by name. */
  commands: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,60}$/), CommandConfig).default({}),
});
export type OrganismConfig = z.output<typeof OrganismConfig>;
