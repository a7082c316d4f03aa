/** The steps to an end: done, looked at, taken back if it did not help, and told. */
import type { CauseKind, cognitive, PlanStep } from "#contracts/cognitive.ts";
import type { InputOf, OutputOf } from "#core/contract.ts";

type Procedure = (typeof cognitive)["procedures"]["planTask"];
export type PlanRequest = Required<Pick<InputOf<Procedure>, "taskDescription">> & {
  readonly cause?: { readonly service: string | null; readonly kind: CauseKind } | undefined;
  readonly skills: readonly {
    readonly name: string;
    readonly risk: "none" | "low" | "high";
    readonly remedies: readonly CauseKind[];
    readonly canUndo: boolean;
  }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
};

const RISKS = { none: 0, low: 1, high: 2 } as const;

export function plan({ taskDescription, cause, skills, edges }: PlanRequest): OutputOf<Procedure> {
  const steps: PlanStep[] = [];
  const add = (action: string, target: string, text: string) => {
    const before = steps.at(-1);
    steps.push({
      id: `step_${steps.length}`,
      action,
      target,
      text,
      dependsOn: before === undefined ? [] : [before.id],
    });
  };
  const target = cause?.service ?? "";
  const fitting = skills
    .filter(({ remedies }) => cause !== undefined && remedies.includes(cause.kind))
    .toSorted(
      (a, b) => RISKS[a.risk] - RISKS[b.risk] || Number(b.canUndo) - Number(a.canUndo) || (a.name < b.name ? -1 : 1),
    );
  if (cause === undefined || fitting.length === 0 || target === "") {
    const why = fitting.length === 0 ? "no skill given is meant for it" : "which service is to blame is not known";
    add("check", target, `Look at what is known of "${taskDescription}": ${why}.`);
    add("tell", "", "Tell a person, with the evidence.");
  } else {
    const dependents = dependentsOf(target, edges);
    add("check", target, `See that ${target} is still to blame and that nothing else is done to it.`);
    if (dependents.length > 0)
      add("wait", dependents.join(", "), `Leave ${dependents.join(", ")} alone meanwhile: they wait for ${target}.`);
    for (const [i, skill] of fitting.entries()) {
      const otherwise = i === 0 ? "" : "If that did not help: ";
      add(skill.name, target, `${otherwise}${skill.name} of ${target}.`);
      add("check", target, `See whether the series of ${target} are routine again.`);
      if (skill.canUndo) add("undo", target, `If not, take ${skill.name} back.`);
    }
    add("tell", "", "If nothing helped, tell a person what was tried.");
  }
  return {
    steps,
    estimatedComplexity: Math.min(10, Math.max(1, steps.length - 1)),
    riskAssessment: riskOf(target === "" ? [] : fitting),
  };
}

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
