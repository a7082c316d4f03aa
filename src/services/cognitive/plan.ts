/** The steps to an end: done, looked at, taken back if it did not help, and told; with what each of them rests on. */
import { causeName } from "#contracts/cause-text.ts";
import type { CauseKind, cognitive, Ground, PlanStep, RecalledCase } from "#contracts/cognitive.ts";
import type { InputOf, OutputOf } from "#core/contract.ts";
import { netOf, UNPREDICTED, UNTRIED } from "./decision.ts";
import { type AgentRecord, casesOf, type Try, triesOf, weightOf } from "./experience.ts";
import { betaEstimate } from "./proportion.ts";

type Procedure = (typeof cognitive)["procedures"]["planTask"];
type Skill = PlanRequest["skills"][number];
type Cause = NonNullable<PlanRequest["cause"]>;

export type PlanRequest = Required<Pick<InputOf<Procedure>, "taskDescription">> & {
  readonly cause?:
    | { readonly service: string | null; readonly kind: CauseKind; readonly confidence?: number | undefined }
    | undefined;
  readonly skills: readonly {
    readonly name: string;
    readonly risk: "none" | "low" | "high";
    readonly remedies: readonly CauseKind[];
    readonly canUndo: boolean;
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly cases: readonly RecalledCase[];
  readonly performance: readonly AgentRecord[];
};

/** A skill that is meant for such a cause, or helped in a like case with the same one. */
interface Remedy {
  readonly skill: Skill;
  /** That it helps. */
  readonly chance: number;
  readonly grounds: readonly Ground[];
  readonly isKnownToAgents: boolean;
  readonly isTried: boolean;
}

export function plan(request: PlanRequest): OutputOf<Procedure> {
  const { taskDescription, cause, skills } = request;
  const target = cause?.service ?? "";
  const remedies = cause === undefined ? [] : remediesOf(cause, request);
  const usable = target === "" ? [] : remedies;
  const [likeliest] = usable.toSorted((a, b) => b.chance - a.chance);
  const steps =
    cause === undefined || usable.length === 0
      ? stepsWithout(taskDescription, target, cause, remedies.length)
      : stepsWith(cause, target, usable, request.edges);
  return {
    steps,
    estimatedComplexity: Math.min(10, Math.max(1, steps.length - 1)),
    riskAssessment: riskOf(usable.map(({ skill }) => skill)),
    confidence: likeliest?.chance ?? 0,
    alternatives: [
      ...usable.slice(1).map(({ skill, chance, grounds }) => ({
        skill: skill.name,
        chance,
        text: `${skill.name} comes later: less is expected of it. ${grounds.map(({ text }) => text).join(" ")}`,
        refs: refsOf(grounds),
      })),
      ...skills
        .filter((skill) => !usable.some((one) => one.skill === skill))
        .map(({ name }) => ({
          skill: name,
          chance: null,
          text: `${name} is left out: ${whyLeftOut(cause)}.`,
          refs: [name],
        })),
    ],
    missing: missingOf(cause, target, usable),
  };
}

/** By what is expected of each: without experience the mildest is first. */
function remediesOf(cause: Cause, { skills, cases, performance }: PlanRequest): Remedy[] {
  const same = triesOf(cases.filter((one) => one.cause?.kind === cause.kind && one.cause.service === cause.service));
  return skills
    .flatMap((skill) => {
      const tries = same.filter((one) => one.skill === skill.name);
      const isMeant = skill.remedies.includes(cause.kind);
      if (!isMeant && !tries.some(({ helped }) => helped)) return [];
      return [
        toRemedy(skill, isMeant, cause, { tries, records: performance.filter((one) => one.skill === skill.name) }),
      ];
    })
    .toSorted(
      (a, b) =>
        netOf(a.chance * UNPREDICTED, a.skill.risk) - netOf(b.chance * UNPREDICTED, b.skill.risk) ||
        Number(b.skill.canUndo) - Number(a.skill.canUndo) ||
        (a.skill.name < b.skill.name ? -1 : 1),
    );
}

function toRemedy(
  skill: Skill,
  isMeant: boolean,
  { kind, confidence = 1 }: Cause,
  { tries, records }: { readonly tries: readonly Try<RecalledCase>[]; readonly records: readonly AgentRecord[] },
): Remedy {
  const helps = betaEstimate(weightOf(tries, true), weightOf(tries, false), UNTRIED).mean;
  const succeeded = records.reduce((sum, one) => sum + one.succeeded, 0);
  const attempts = records.reduce((sum, one) => sum + one.failed, succeeded);
  const succeeds = betaEstimate(succeeded, attempts - succeeded).mean;
  const grounds: Ground[] = [];
  if (isMeant) grounds.push({ text: `It is meant for ${kind}.`, refs: [skill.name] });
  if (tries.length > 0) {
    const helped = tries.filter((one) => one.helped).length;
    grounds.push({ text: `It helped ${helped} of ${tries.length} times against the same.`, refs: casesOf(tries) });
  }
  if (attempts > 0) {
    const agents = records.map(({ agent }) => agent).sort();
    grounds.push({ text: `Agents succeeded in it ${succeeded} of ${attempts} times.`, refs: [...new Set(agents)] });
  }
  const chance = confidence * helps * succeeds;
  return { skill, chance, grounds, isKnownToAgents: attempts > 0, isTried: tries.length > 0 };
}

function stepsWith(cause: Cause, target: string, remedies: readonly Remedy[], edges: PlanRequest["edges"]): PlanStep[] {
  const sure = cause.confidence === undefined ? "" : ` (${percent(cause.confidence)} sure)`;
  const blamed: Ground = { text: `The cause given is ${causeName(cause)}${sure}.`, refs: [target] };
  const steps = createSteps();
  steps.add("check", target, `See that ${target} is still to blame and that nothing else is done to it.`, [blamed]);
  const dependents = dependentsOf(target, edges);
  if (dependents.length > 0) {
    const text = `Leave ${dependents.join(", ")} alone meanwhile: they wait for ${target}.`;
    const calls = { text: "The calls given say who waits for it.", refs: [...dependents, target] };
    steps.add("wait", dependents.join(", "), text, [calls]);
  }
  for (const [i, { skill, grounds }] of remedies.entries()) {
    const { name, canUndo } = skill;
    const own = [{ text: `${name} is done before.`, refs: [name] }];
    const otherwise = i === 0 ? "" : "If that did not help: ";
    steps.add(name, target, `${otherwise}${name} of ${target}.`, grounds);
    steps.add("check", target, `See whether the series of ${target} are routine again.`, own);
    const undoable = [{ text: `${name} can be taken back.`, refs: [name] }];
    if (canUndo) steps.add("undo", target, `If not, take ${name} back.`, undoable);
  }
  const tried = remedies.map(({ skill }) => skill.name);
  const last = { text: "These are all remedies that are known.", refs: tried };
  steps.add("tell", "", "If nothing helped, tell a person what was tried.", [last]);
  return steps.all;
}

function stepsWithout(task: string, target: string, cause: Cause | undefined, remedies: number): PlanStep[] {
  const why =
    cause === undefined
      ? "its cause is not known"
      : remedies === 0
        ? "no skill given is meant for it"
        : "which service is to blame is not known";
  const ground: Ground = {
    text: cause === undefined ? "No cause is given." : `The cause given is ${causeName(cause)}; ${why}.`,
    refs: target === "" ? [] : [target],
  };
  const steps = createSteps();
  steps.add("check", target, `Look at what is known of "${task}": ${why}.`, [ground]);
  steps.add("tell", "", "Tell a person, with the evidence.", [ground]);
  return steps.all;
}

/** Each waits for the one before. */
function createSteps() {
  const all: PlanStep[] = [];
  return {
    all,
    add(action: string, target: string, text: string, grounds: readonly Ground[]): void {
      const before = all.at(-1);
      const dependsOn = before === undefined ? [] : [before.id];
      all.push({ id: `step_${all.length}`, action, target, text, dependsOn, grounds: [...grounds] });
    },
  };
}

function whyLeftOut(cause: Cause | undefined): string {
  if (cause === undefined) return "the cause is not known";
  if (cause.service === null) return "which service is to blame is not known";
  return `it is not meant for ${cause.kind}, and no like case says that it helped`;
}

function missingOf(cause: Cause | undefined, target: string, remedies: readonly Remedy[]): string[] {
  if (cause === undefined) return ["The cause."];
  if (target === "") return ["The service to blame."];
  if (remedies.length === 0) return ["A skill that is meant for such a cause, or a like case in which one helped."];
  const names = (of: readonly Remedy[]) => of.map(({ skill }) => skill.name).join(", ");
  const untried = remedies.filter(({ isTried }) => !isTried);
  const unknown = remedies.filter(({ isKnownToAgents }) => !isKnownToAgents);
  return [
    ...(cause.confidence === undefined ? ["How sure the cause is: it counts as certain."] : []),
    ...(untried.length === 0
      ? []
      : [
          `A like case in which ${names(untried)} was done: it counts as helping ${percent(UNTRIED.mean)} of the time.`,
        ]),
    ...(unknown.length === 0 ? [] : [`How agents do at ${names(unknown)}: they count as succeeding half of the time.`]),
  ];
}

const refsOf = (grounds: readonly Ground[]): string[] => [...new Set(grounds.flatMap(({ refs }) => refs))];
const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** All that wait for it, directly or through others. */
function dependentsOf(target: string, edges: PlanRequest["edges"]): string[] {
  const seen = new Set([target]);
  for (const one of seen) for (const { from, to } of edges) if (to === one) seen.add(from);
  seen.delete(target);
  return [...seen].sort();
}

function riskOf(skills: PlanRequest["skills"]): string {
  const risky = skills.filter(({ risk }) => risk !== "none");
  if (risky.length === 0) return "Nothing in it can do harm.";
  const lasting = risky.filter(({ canUndo }) => !canUndo).map(({ name }) => name);
  const interrupts = risky.some(({ risk }) => risk === "high") ? "It interrupts what it is done to. " : "";
  return `${interrupts}${lasting.length === 0 ? "It can" : `${lasting.join(", ")} cannot`} be taken back.`;
}
