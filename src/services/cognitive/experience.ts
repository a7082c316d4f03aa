/** What cases and agents teach: what solves a problem, what agents can do, and what cases have in common. */
import type { Case, CauseKind, cognitive, RecalledCase } from "#contracts/cognitive.ts";
import type { OutputOf } from "#core/contract.ts";
import { betaEstimate, chanceOfAtLeast, wilson } from "./proportion.ts";

type Procedures = (typeof cognitive)["procedures"];

const RISKS = { none: 0, low: 1, high: 2 } as const;

export interface Problem {
  readonly problemStatement: string;
  readonly signature: readonly string[];
  readonly constraints: {
    readonly maxRisk: "none" | "low" | "high";
    readonly forbiddenSkills: readonly string[];
    readonly forbiddenTargets: readonly string[];
  };
  readonly skills: readonly { readonly name: string; readonly risk: "none" | "low" | "high" }[];
  readonly cases: readonly RecalledCase[];
}

/** One thing that was done in a case of which it is known whether it helped. */
export interface Try<C extends Case = Case> {
  readonly of: C;
  readonly skill: string;
  readonly target: string;
  readonly helped: boolean;
}

export function triesOf<C extends Case>(cases: readonly C[]): Try<C>[] {
  return cases.flatMap((of) => [
    ...(of.action === null || of.helped === null ? [] : [{ of, ...of.action, helped: of.helped }]),
    ...(of.useless ?? []).map((action) => ({ of, ...action, helped: false })),
  ]);
}

/** How often it helped, or did not: each counts by how like and how believed its case is; exactly alike and new, as one. */
export function weightOf(tries: readonly Try<RecalledCase>[], helped: boolean): number {
  return tries
    .filter((one) => one.helped === helped)
    .reduce((sum, { of: { likeness, weight } }) => sum + 2 * likeness * weight, 0);
}

/** The cases of some tries, each once. */
export const casesOf = (tries: readonly Try[]): string[] => [...new Set(tries.map(({ of }) => of.id))].sort();

/** Skills that solved problems like this one, each case counting by how like and how believed it is. */
export function solve({
  problemStatement,
  signature,
  constraints,
  skills,
  cases,
}: Problem): OutputOf<Procedures["solveProblem"]> {
  const riskOf = new Map(skills.map(({ name, risk }) => [name, risk]));
  const groups = Map.groupBy(triesOf(cases), ({ skill, target }) => JSON.stringify([skill, target]));
  const solutions = [...groups]
    .map(([key, tries]) => {
      const [skill, target] = JSON.parse(key) as [string, string];
      const { mean, interval } = betaEstimate(weightOf(tries, true), weightOf(tries, false));
      return { skill, target, chance: mean, interval, cases: casesOf(tries) };
    })
    .filter(
      ({ skill, target }) =>
        !constraints.forbiddenSkills.includes(skill) && !constraints.forbiddenTargets.includes(target),
    )
    .filter(({ skill }) => RISKS[riskOf.get(skill) ?? "high"] <= RISKS[constraints.maxRisk])
    .sort((a, b) => b.chance - a.chance || (a.skill + a.target < b.skill + b.target ? -1 : 1));
  const [best] = solutions;
  return {
    solutionApproach:
      best === undefined
        ? `No case that is given says what helps with "${problemStatement}" within the constraints.`
        : `${best.skill} of ${best.target}, which helped in cases like this with a chance of ${Math.round(100 * best.chance)} %.`,
    confidence: best?.chance ?? 0,
    solutions,
    successMetrics: [...new Set(signature.map((name) => name.replace(/:(up|down)$/, "")))].sort(),
  };
}

export interface AgentRecord {
  readonly agent: string;
  readonly skill: string;
  readonly succeeded: number;
  readonly failed: number;
}

/** Fewer attempts than these say nothing. */
const LEAST_ATTEMPTS = 5;

export function assess(
  performance: readonly AgentRecord[],
  targets: Readonly<Record<string, number>>,
): OutputOf<Procedures["assessCapabilities"]> {
  const bySkill = Map.groupBy(performance, ({ skill }) => skill);
  const names = [...new Set([...bySkill.keys(), ...Object.keys(targets)])].sort();
  const skills = names.map((skill) => {
    const records = bySkill.get(skill) ?? [];
    const succeeded = records.reduce((sum, one) => sum + one.succeeded, 0);
    const attempts = succeeded + records.reduce((sum, one) => sum + one.failed, 0);
    const interval = wilson(succeeded, attempts);
    const agents = rankedAgents(records);
    const target = Object.hasOwn(targets, skill) ? (targets[skill] ?? null) : null;
    const verdict =
      attempts < LEAST_ATTEMPTS ? "too few" : target === null || succeeded / attempts >= target ? "met" : "not met";
    return {
      skill,
      attempts,
      rate: attempts === 0 ? null : succeeded / attempts,
      interval,
      target,
      verdict: verdict as "met" | "not met" | "too few",
      confidence: sureOf(verdict, target, succeeded, attempts),
      bestAgent: agents[0]?.agent ?? null,
      agents,
    };
  });
  return {
    skills,
    recommendations: skills.flatMap(({ skill, verdict, target, interval, attempts, bestAgent }) => {
      if (verdict === "too few") return [`${skill}: only ${attempts} attempts; give it more before judging.`];
      if (verdict === "met") return [];
      const sure = target !== null && interval[1] < target ? "surely" : "perhaps";
      return [`${skill}: ${sure} below its target of ${target}; prefer ${bestAgent ?? "another skill"}.`];
    }),
  };
}

/** By the lower bound, so that one lucky attempt does not win. */
function rankedAgents(records: readonly AgentRecord[]) {
  return records
    .map(({ agent, succeeded, failed }) => {
      const attempts = succeeded + failed;
      return { agent, attempts, interval: wilson(succeeded, attempts) };
    })
    .sort((a, b) => b.interval[0] - a.interval[0] || (a.agent < b.agent ? -1 : 1));
}

function sureOf(verdict: string, target: number | null, succeeded: number, attempts: number): number {
  if (verdict === "too few") return 0;
  if (target === null) return 1;
  const isMet = chanceOfAtLeast(target, succeeded, attempts - succeeded);
  return verdict === "met" ? isMet : 1 - isMet;
}

/** Which action helped against which cause, how often, and where cases disagree. */
export function synthesize(cases: readonly Case[], goal: string): OutputOf<Procedures["synthesizeMemory"]> {
  const told = triesOf(cases.filter(({ cause }) => cause !== null));
  const groups = Map.groupBy(told, ({ of: { cause }, skill }) => JSON.stringify([cause?.kind, cause?.service, skill]));
  const patterns = [...groups]
    .map(([key, group]) => {
      const [kind, service, skill] = JSON.parse(key) as [CauseKind, string | null, string];
      const helped = group.filter((one) => one.helped === true).length;
      const failed = group.length - helped;
      const { mean, interval } = betaEstimate(helped, failed);
      return { kind, service, skill, helped, failed, chance: mean, interval, cases: casesOf(group) };
    })
    .sort((a, b) => b.cases.length - a.cases.length || b.chance - a.chance || (a.skill < b.skill ? -1 : 1));
  const conflicts = patterns
    .filter(({ helped, failed }) => helped > 0 && failed > 0)
    .map(
      ({ skill, kind, service, helped, failed }) =>
        `${skill} against ${kind} of ${service ?? "nobody"} helped ${helped} times and did not ${failed} times.`,
    );
  const [best] = patterns;
  const about = goal === "" ? "" : ` (${goal})`;
  return {
    insight:
      best === undefined
        ? `Of ${cases.length} cases none has a cause, an action and an outcome${about}.`
        : `Most often ${best.skill} was tried against ${best.kind} of ${best.service ?? "nobody"}: it helped ${best.helped} of ${best.helped + best.failed} times${about}.`,
    confidence: best === undefined ? 0 : 1 - (best.interval[1] - best.interval[0]),
    patterns,
    conflicts,
  };
}
