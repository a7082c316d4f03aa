import { describe, expect, it } from "vitest";
import { ModeRule, PolicyRule } from "#contracts/policy.ts";
import { compileCondition } from "./expression.ts";
import { compilePolicy } from "./policy.ts";

const HOST = "{cause.host}";
const rule = (name: string, when: string, skill: string, params: PolicyRule["params"] = {}, target = HOST) =>
  PolicyRule.parse({ name, when, skill, target, params });

function problemsOf(rules: readonly PolicyRule[], modes: readonly ModeRule[] = []): readonly string[] {
  const compiled = compilePolicy(rules, modes);
  return "problems" in compiled ? compiled.problems : [];
}

describe("two rules that ask for opposite things on one condition, however it is written", () => {
  it.each([
    ["in another order", "cause.isOwn && cause.ageS > 5", "cause.ageS > 5 && cause.isOwn"],
    ["with other spaces and brackets", "cause.isOwn&&(cause.ageS>5)", "( cause.isOwn ) &&  cause.ageS > 5"],
    [
      "grouped differently",
      "cause.isOwn && (cause.ageS > 5 && cause.isKnown)",
      "cause.isKnown && cause.isOwn && cause.ageS > 5",
    ],
    ["with the number first", "cause.ageS > 5 || cause.isOwn", "cause.isOwn || 5 < cause.ageS"],
    ["with a part twice", "cause.isOwn && cause.isOwn", "cause.isOwn"],
    ["with the order changed within", "!(cause.isOwn && cause.isKnown)", "!(cause.isKnown && cause.isOwn)"],
  ])("%s", (_what, one, other) => {
    const up = rule("up", one, "scale-host", { replicas: 3 });
    const down = rule("down", other, "scale-host", { replicas: 1 });
    expect(problemsOf([up, down])).toEqual([expect.stringMatching(/^The rules "up" and "down" .*tried\.useless > 0/)]);
  });

  it.each([
    ["&& is not ||", "cause.isOwn && cause.isKnown", "cause.isOwn || cause.isKnown"],
    ["another number", "cause.ageS > 5", "cause.ageS > 6"],
    ["turned round", "cause.ageS > 5", "5 > cause.ageS"],
    ["more asked for", "cause.isOwn", "cause.isOwn && cause.isKnown"],
  ])("but not where the conditions differ: %s", (_what, one, other) => {
    expect(problemsOf([rule("a", one, "restart-host"), rule("b", other, "roll-back-host")])).toEqual([]);
  });
});

it("two modes for the same, of which the second would never hold", () => {
  const mode = (skill: string, target: string, as: string) => ModeRule.parse({ skill, target, mode: as });
  const modes = [mode("restart-*", "shop-*", "act"), mode("*", "*", "propose"), mode("restart-*", "shop-*", "observe")];
  expect(problemsOf([], modes)).toEqual([
    "The modes 1 and 3 are both of restart-* of shop-*, and say act and observe: the second would never hold. Keep one.",
  ]);
  expect(
    problemsOf([], [...modes.slice(0, 2), mode("restart-*", "shop-*", "act"), mode("restart-*", "*", "observe")]),
  ).toEqual([]);
});

describe("a condition that can never be true", () => {
  it.each([
    ["cause.ageS > 5 && cause.isOwn && cause.ageS < 3", "`cause.ageS > 5` and `cause.ageS < 3`"],
    ["cause.ageS > 5 && cause.ageS <= 5", "`cause.ageS > 5`"],
    ["5 < cause.ageS && (cause.isOwn && 3.5 > cause.ageS)", "`5 < cause.ageS`"],
    ["tried.count == 1 && tried.count >= 2", "`tried.count == 1`"],
    ["tried.count == 1 && tried.count != 1", "`tried.count != 1`"],
    ['cause.kind == "latency" && cause.kind == "errors"', '`cause.kind == "errors"`'],
    ['cause.kind in ["latency", "errors"] && cause.kind == "memory"', "`cause.kind in"],
    ["now.hour in [1, 2] && now.hour > 2.5", "`now.hour > 2.5`"],
    ["cause.isOwn && !cause.isOwn", "`!cause.isOwn`"],
    ["cause.isOwn == false && cause.isOwn", "`cause.isOwn == false`"],
    ["system.energy > 0 && system.energy < -1.5", "`system.energy < -1.5`"],
    ["!(cause.confidence < 0.9) && 0.9 > cause.confidence", "`!(cause.confidence < 0.9)`"],
    ['!cause.host.startsWith("shop-") && cause.host.startsWith("shop-")', '`cause.host.startsWith("shop-")`'],
  ])("%s", (when, part) => {
    const [problem] = problemsOf([rule("r", when, "restart-host")]);
    expect(problem).toContain('Rule "r"');
    expect(problem).toContain(part);
    expect(problem).toContain("||");
  });

  it.each([
    "cause.ageS > 3 && cause.ageS < 5",
    "cause.ageS >= 5 && cause.ageS <= 5",
    "cause.ageS > 5 || cause.ageS < 3",
    "!(cause.ageS > 5 && cause.ageS < 3) && cause.isOwn",
    'cause.kind != "latency" && cause.kind != "errors"',
    'cause.kind in ["latency", "errors"] && cause.kind in ["errors", "memory"]',
    'cause.kind == "latency" && recalled.skill == "restart-host"',
    "cause.isOwn && !cause.isKnown",
    // The one has another meaning in each.
    'incident.series.exists(s, s == "a") && incident.series.exists(s, s == "b")',
    // Whoever wants a rule to rest may say so.
    "false",
  ])("is not %s", (when) => {
    expect(() => compileCondition(when)).not.toThrow();
  });
});
