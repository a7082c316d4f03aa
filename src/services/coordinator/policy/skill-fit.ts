/** Whether rules and modes fit the skills there are: which come and go with the organism's configuration and version. */
import { z } from "zod";
import type { Skill } from "#contracts/organism.ts";
import type { ModeRule, PolicyRule } from "#contracts/policy.ts";
import { globPattern } from "../glob.ts";

/** By name, as the organism tells of them. */
export type Skills = ReadonlyMap<string, Pick<Skill, "targetParam" | "params">>;

/** Why a rule of the policy in force is passed over. */
export function skillProblem(rule: PolicyRule, skills: Skills): string | undefined {
  const { name, skill, params, target } = rule;
  const known = skills.get(skill);
  if (known === undefined) return `Rule "${name}": ${noSuchSkill(skill, skills)}.`;
  const { targetParam } = known;
  if (targetParam !== null && Object.hasOwn(params, targetParam)) {
    // Modes, maintenance and limits go by the target: what they are asked of must be what it is done to.
    const value = JSON.stringify(params[targetParam]);
    return `Rule "${name}": "${targetParam}" in its params is what ${skill} is done to, which only "target" may say: write "target": ${value}, and leave it out of params.`;
  }
  const given = targetParam === null || target === "" ? params : { ...params, [targetParam]: target };
  const wrong = misfits(given, known.params).map(({ path, message }) =>
    // It is no parameter for who writes a rule.
    path.join(".") === targetParam ? `target: ${message}` : `${path.join(".") || "params"}: ${message}`,
  );
  return wrong.length === 0 ? undefined : `Rule "${name}": ${skill} cannot be done so. ${wrong.join("; ")}.`;
}

/** Modes that hold for nothing: whoever wrote one believes something to be allowed, or forbidden, that is not. */
export function modeProblems(modes: readonly ModeRule[], skills: Skills): string[] {
  const names = [...skills.keys()];
  return modes
    .filter(({ skill }) => !names.some((name) => globPattern(skill).test(name)))
    .map(
      ({ skill, target, mode }) => `The mode ${mode} of ${target} holds for nothing: ${noSuchSkill(skill, skills)}.`,
    );
}

const noSuchSkill = (skill: string, skills: Skills): string =>
  `there is no skill "${skill}"; there are ${[...skills.keys()].sort().join(", ")}`;

/** Signals in a text: what will stand there is not known before. */
const OPEN = /\{[a-z]+\.[A-Za-z]+\}/;

function misfits(params: PolicyRule["params"], schema: Skill["params"]): z.core.$ZodIssue[] {
  const { error } = checked(schema).safeParse(params);
  // A text it is in any case, and a number it will not be.
  return (error?.issues ?? []).filter(({ code, path }) => code === "invalid_type" || !isOpen(valueAt(params, path)));
}

const isOpen = (value: unknown): boolean => typeof value === "string" && OPEN.test(value);

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);

/** Making one takes longer than a decision, and the skills of one answer are asked for again and again. */
const made = new WeakMap<object, z.ZodType>();

function checked(schema: Skill["params"]): z.ZodType {
  if (typeof schema !== "object" || schema === null) return z.unknown();
  const known = made.get(schema) ?? read(schema);
  made.set(schema, known);
  return known;
}

function read(schema: object): z.ZodType {
  try {
    return z.fromJSONSchema(schema as z.core.JSONSchema.JSONSchema);
  } catch {
    // Of another version, perhaps: what cannot be read is no reason not to act.
    return z.unknown();
  }
}
