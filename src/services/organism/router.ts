/** Which organ and which skill a task goes to: the rule for its type and domain, the rule for its type, the skill of its name. */
import type { RoutingRule } from "#contracts/organism.ts";
import type { Skill } from "./skill.ts";

export interface Resolved {
  readonly organ: string;
  readonly skill: Skill;
  readonly resolvedFrom: "domain" | "type" | "skill";
}

/** Types and domains are compared in lower case, without surrounding spaces. */
export function normalise(name: string): string {
  return name.trim().toLowerCase();
}

export function resolve(
  rules: readonly RoutingRule[],
  skills: ReadonlyMap<string, Skill>,
  type: string,
  domain: string | undefined,
): Resolved | undefined {
  const wanted = normalise(type);
  const within = domain === undefined ? undefined : normalise(domain);
  const ofType = rules.filter(({ taskType }) => taskType === wanted);
  const rule =
    (within === undefined ? undefined : ofType.find((one) => one.domain === within)) ??
    ofType.find((one) => one.domain === null);
  const skill = skills.get(rule?.skill ?? wanted);
  if (skill === undefined) return undefined;
  if (rule === undefined) return { organ: skill.organ, skill, resolvedFrom: "skill" };
  return { organ: rule.organ, skill, resolvedFrom: rule.domain === null ? "type" : "domain" };
}

/** The task types that lead somewhere, whatever the domain. */
export function knownTypes(rules: readonly RoutingRule[], skills: ReadonlyMap<string, Skill>): string[] {
  return [...new Set([...skills.keys(), ...rules.map(({ taskType }) => taskType)])].sort();
}
