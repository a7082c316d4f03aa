/** The policy: rules in order, each a condition and what follows from it, and the modes in which that may be done. */
import type { Mode } from "#contracts/action.ts";
import type { ModeRule, PolicyRule } from "#contracts/policy.ts";
import type { Skill } from "#contracts/organism.ts";
import { globPattern } from "../glob.ts";
import { type Condition, compileCondition } from "./expression.ts";
import { modeProblems, type Skills, skillProblem } from "./skill-fit.ts";
import type { Signals } from "./signals.ts";
import { fillTemplate, unknownPlaces, unknownTargetPlaces } from "./template.ts";

export interface Choice {
  readonly rule: PolicyRule;
  /** With the signals filled in. */
  readonly target: string;
  readonly params: PolicyRule["params"];
}

export interface Policy {
  /**
   * The first rule that matches and was not followed yet. One that cannot be evaluated, or names what has no value, is
   * passed over and told to `onError`.
   */
  decide(
    signals: Signals,
    options: {
      readonly followed: ReadonlySet<string>;
      readonly onError?: (problem: string, rule: PolicyRule, error: unknown) => void;
    },
  ): Choice | undefined;
  /** How far a skill may go on a target: the first mode that fits, else to act without a risk and to propose with one. */
  modeOf(skill: string, target: string, risk: Skill["risk"]): Mode;
}

interface CompiledRule {
  readonly rule: PolicyRule;
  readonly condition: Condition;
}

/** Steps that all conditions together may take on one incident: it is decided while others wait. */
const MAX_STEPS = 2_000_000;

/**
 * Compiles rules and modes, or says what is wrong with them, a sentence each.
 * @param skills where they are known: a rule that cannot be followed with them is refused
 */
export function compilePolicy(
  rules: readonly PolicyRule[],
  modes: readonly ModeRule[],
  skills?: Skills,
): { readonly policy: Policy } | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  const compiled = rules.flatMap((rule) => {
    problems.push(...problemsOf(rule, skills));
    try {
      return [{ rule, condition: compileCondition(rule.when) }];
    } catch (error) {
      const [reason = ""] = (error as Error).message.split("\n");
      problems.push(`Rule "${rule.name}": the condition \`${rule.when}\` cannot be used: ${reason}.`);
      return [];
    }
  });
  problems.push(
    ...contradictions(compiled),
    ...opposedModes(modes),
    ...(skills === undefined ? [] : modeProblems(modes, skills)),
  );
  const steps = compiled.reduce((sum, { condition }) => sum + condition.usualSteps, 0);
  if (steps > MAX_STEPS) {
    problems.push(
      `The conditions may take ${steps} steps together, and ${MAX_STEPS} are allowed: use fewer or shorter ones.`,
    );
  }
  return problems.length > 0 ? { problems } : { policy: policyOf(compiled, modes) };
}

function problemsOf(rule: PolicyRule, skills: Skills | undefined): string[] {
  const { name, skill, target, params } = rule;
  const places = [...unknownTargetPlaces(target), ...unknownPlaces(params)];
  const problems = places.map((place) => `Rule "${name}": ${place} names no signal; docs/policy.md lists them.`);
  if (skill.trim() === "") return [...problems, `Rule "${name}" names no skill.`];
  const misfit = skills && skillProblem(rule, skills);
  return misfit === undefined ? problems : [...problems, misfit];
}

function contradictions(compiled: readonly CompiledRule[]): string[] {
  const problems: string[] = [];
  const names = new Set<string>();
  for (const [i, { rule, condition }] of compiled.entries()) {
    if (names.has(rule.name)) problems.push(`There are two rules "${rule.name}"; give each a name of its own.`);
    names.add(rule.name);
    const twin = compiled
      .slice(0, i)
      .find((other) => other.condition.normal === condition.normal && contradict(other.rule, rule));
    if (twin !== undefined) {
      problems.push(
        `The rules "${twin.rule.name}" and "${rule.name}" have the same condition and do different things to "${rule.target}": keep one, or add \`&& tried.useless > 0\` to the one that is for when the other did not help.`,
      );
    }
  }
  return problems;
}

/** Telling somebody and repairing something go together; two repairs of one thing do not. */
function contradict(a: PolicyRule, b: PolicyRule): boolean {
  if (a.target === "" || a.target !== b.target) return false;
  return a.skill !== b.skill || JSON.stringify(a.params) !== JSON.stringify(b.params);
}

/** Of two modes for the same the first holds: whoever wrote the second believes something else. */
function opposedModes(modes: readonly ModeRule[]): string[] {
  return modes.flatMap(({ skill, target, mode }, i) => {
    const before = modes.slice(0, i).findIndex((one) => one.skill === skill && one.target === target);
    const first = modes[before]?.mode ?? mode;
    return first === mode
      ? []
      : [
          `The modes ${before + 1} and ${i + 1} are both of ${skill} of ${target}, and say ${first} and ${mode}: the second would never hold. Keep one.`,
        ];
  });
}

function policyOf(rules: readonly CompiledRule[], modes: readonly ModeRule[]): Policy {
  const patterns = modes.map(({ skill, target, mode }) => ({
    skill: globPattern(skill),
    target: globPattern(target),
    mode,
  }));
  return {
    decide(signals, { followed, onError }) {
      for (const { rule, condition } of rules) {
        if (followed.has(rule.name)) continue;
        try {
          if (!condition.holds(signals)) continue;
          return { rule, target: fillTemplate(rule.target, signals), params: fillTemplate(rule.params, signals) };
        } catch (error) {
          const [reason = ""] = (error as Error).message.split("\n");
          onError?.(`Rule "${rule.name}" is passed over: ${reason}.`, rule, error);
        }
      }
      return undefined;
    },
    modeOf(skill, target, risk) {
      const fitting = patterns.find((one) => one.skill.test(skill) && one.target.test(target));
      return fitting?.mode ?? (risk === "none" ? "act" : "propose");
    },
  };
}
