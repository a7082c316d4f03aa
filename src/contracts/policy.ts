/** What the coordinator may do: rules, modes, and the times in which less is done. */
import { z } from "zod";
import { Mode } from "./action.ts";

/** A time in which nothing is done to what it names: what would have been is written down. */
export const Maintenance = z.object({
  id: z.string(),
  /** A pattern with `*`; `*` is everything. */
  target: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  reason: z.string(),
});
export type Maintenance = z.output<typeof Maintenance>;

/** A time in which what some series do opens no incident and tells nobody. */
export const Silence = z.object({
  id: z.string(),
  /** A pattern with `*` over `<source>/<series>`. */
  series: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  reason: z.string(),
});
export type Silence = z.output<typeof Silence>;

/** One rule of the policy: the first that matches an incident, and has not been followed for what is to blame, decides. */
export const PolicyRule = z.strictObject({
  name: z.string().min(1).max(100),
  /** An expression in CEL over the signals; `true` matches every incident. docs/policy.md lists the signals. */
  when: z.string().min(1).max(2_000).default("true"),
  skill: z.string(),
  /** What the skill is done to, such as `{cause.host}`; left out for skills that are done to nothing. */
  target: z.string().max(200).default(""),
  /** Texts may name signals, such as `{incident.id}`, `{incident.title}`, `{cause.service}`. */
  params: z.record(z.string(), z.json()).default({}),
  /** `false` for what is not meant to repair, such as a call that opens a ticket: whether it helped is not asked then. */
  repairs: z.boolean().optional(),
});
export type PolicyRule = z.output<typeof PolicyRule>;

/** A configuration that was read, cannot be used, and therefore changed nothing. */
export const Refusal = z.object({
  atMs: z.number(),
  /** The file, or by which way it came. */
  source: z.string(),
  /** Why, a sentence each. */
  problems: z.array(z.string()),
});
export type Refusal = z.output<typeof Refusal>;

/** Which mode holds for which skills and targets, as patterns with `*`; the first that fits counts. */
export const ModeRule = z.strictObject({
  skill: z.string().default("*"),
  target: z.string().default("*"),
  mode: Mode,
});
export type ModeRule = z.output<typeof ModeRule>;
