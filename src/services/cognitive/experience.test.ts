import { describe, expect, it } from "vitest";
import type { Case } from "#contracts/cognitive.ts";
import { decide } from "./decision.ts";
import { assess, solve, synthesize } from "./experience.ts";
import { plan } from "./plan.ts";

const cause = { service: "cart", kind: "latency" as const, confidence: 0.9 };
const option = {
  skill: "restart-host",
  target: "cart",
  risk: "high" as const,
  helped: 0,
  failed: 0,
  predictedDeltaE: -2,
};

describe("a decision", () => {
  it("is for what is expected to bring most, and holds when the cause is a guess or the cost is more", () => {
    const tried = { ...option, skill: "scale-host", helped: 9 };
    expect(decide(cause, [option, tried])).toMatchObject({ action: "act", chosen: 1 });
    expect(decide({ ...cause, confidence: 0.4 }, [option])).toMatchObject({ action: "hold", chosen: null });
    expect(decide(cause, [{ ...option, predictedDeltaE: -0.1 }]).action).toBe("hold");
    expect(decide(cause, []).action).toBe("hold");
  });

  // What never helped must not be tried for ever.
  it("gives up what has failed again and again", () => {
    expect(decide(cause, [{ ...option, failed: 30 }]).action).toBe("hold");
  });
});

const one = (id: string, skill: string, helped: boolean): Case => ({
  id,
  signature: ["cart/latency:up"],
  cause: { service: "cart", kind: "latency" },
  action: { skill, target: "cart" },
  helped,
  weight: 0.5,
});

describe("what cases teach", () => {
  const cases = [
    one("a", "restart-host", true),
    one("b", "restart-host", true),
    one("c", "restart-host", false),
    one("d", "scale-host", false),
  ];

  it("is which action helped how often, and where they disagree", () => {
    const { patterns, conflicts } = synthesize(cases, "");
    expect(patterns[0]).toMatchObject({ skill: "restart-host", helped: 2, failed: 1, cases: ["a", "b", "c"] });
    expect(conflicts).toHaveLength(1);
    expect(synthesize([], "why").confidence).toBe(0);
  });

  it("solves a problem within the constraints", () => {
    const given = {
      problemStatement: "cart is slow",
      signature: ["cart/latency:up"],
      constraints: { maxRisk: "high" as const, forbiddenSkills: [], forbiddenTargets: [] },
      skills: [
        { name: "restart-host", risk: "high" as const },
        { name: "scale-host", risk: "low" as const },
      ],
      cases: cases.map((alike) => ({ ...alike, likeness: 1 })),
    };
    expect(solve(given).solutions[0]).toMatchObject({ skill: "restart-host" });
    const careful = { ...given, constraints: { ...given.constraints, maxRisk: "low" as const } };
    expect(solve(careful).solutions.map(({ skill }) => skill)).toEqual(["scale-host"]);
    expect(solve(given).successMetrics).toEqual(["cart/latency"]);
  });
});

it("says of a skill with few attempts that they are too few, and which agent is best", () => {
  const record = (agent: string, succeeded: number, failed: number) => ({ agent, skill: "notify", succeeded, failed });
  expect(assess([record("a", 2, 0)], { notify: 0.9 }).skills[0]?.verdict).toBe("too few");
  const judged = assess([record("a", 1, 0), record("b", 40, 20)], { notify: 0.9 }).skills[0];
  expect(judged).toMatchObject({ verdict: "not met", bestAgent: "b", attempts: 61 });
});

it("plans the mildest remedy first, looks whether it helped, and tells a person in the end", () => {
  const skills = [
    { name: "restart-host", risk: "high" as const, remedies: ["latency" as const], canUndo: false },
    { name: "scale-host", risk: "low" as const, remedies: ["latency" as const], canUndo: true },
  ];
  const { steps } = plan({
    taskDescription: "",
    cause: { service: "cart", kind: "latency" },
    skills,
    edges: [{ from: "front", to: "cart" }],
  });
  expect(steps.map(({ action }) => action)).toEqual([
    "check",
    "wait",
    "scale-host",
    "check",
    "undo",
    "restart-host",
    "check",
    "tell",
  ]);
  expect(plan({ taskDescription: "x", skills, edges: [] }).steps.at(-1)?.action).toBe("tell");
});

describe("a plan", () => {
  const skill = (name: string, risk: "none" | "low" | "high", canUndo: boolean) => ({
    name,
    risk,
    canUndo,
    remedies: ["latency" as const],
  });
  const cause = { service: "stock", kind: "latency" as const };
  const riskOf = (...skills: ReturnType<typeof skill>[]) =>
    plan({ taskDescription: "x", cause, skills, edges: [] }).riskAssessment;

  // Of a low risk it said that it can be taken back, and of a high one never, whether it can or not.
  it("says what in it cannot be taken back", () => {
    expect(riskOf(skill("notify", "none", false))).toBe("Nothing in it can do harm.");
    expect(riskOf(skill("scale-host", "low", true))).toBe("It can be taken back.");
    expect(riskOf(skill("scale-host", "low", true), skill("purge", "low", false))).toBe("purge cannot be taken back.");
    expect(riskOf(skill("roll-back-host", "high", true))).toBe(
      "It interrupts what it is done to. It can be taken back.",
    );
  });

  // Front waits for cart, which waits for stock: only cart was left alone.
  it("leaves alone whoever waits for the target, directly or through others", () => {
    const edges = [
      { from: "front", to: "cart" },
      { from: "cart", to: "stock" },
      { from: "stock", to: "disk" },
    ];
    const { steps } = plan({ taskDescription: "x", cause, skills: [skill("scale-host", "low", true)], edges });
    expect(steps.find(({ action }) => action === "wait")?.target).toBe("cart, front");
  });

  it("does not say that no skill is meant for it when nobody knows whom to do it to", () => {
    const skills = [skill("scale-host", "low", true)];
    const { steps } = plan({ taskDescription: "x", cause: { ...cause, service: null }, skills, edges: [] });
    expect(steps[0]?.text).toContain("which service is to blame is not known");
  });
});
