import { describe, expect, it } from "vitest";
import type { Case } from "#contracts/cognitive.ts";
import { decide } from "./decision.ts";
import { assess, solve, synthesize } from "./experience.ts";
import { plan as planOf, type PlanRequest } from "./plan.ts";

const plan = (request: Omit<PlanRequest, "cases" | "performance"> & Partial<PlanRequest>) =>
  planOf({ cases: [], performance: [], ...request });

const cause = { service: "cart", kind: "latency" as const, confidence: 0.9 };
const option = {
  skill: "restart-host",
  target: "cart",
  risk: "high" as const,
  helped: 0,
  failed: 0,
  cases: [],
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

  it("names the cases that it rests on", () => {
    const { ranked } = decide(cause, [{ ...option, helped: 1, cases: ["inc_1"] }]);
    expect(ranked[0]?.refs).toEqual(["inc_1"]);
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

  // What had not helped before something else did was left out: restarting seemed never to have been tried on it.
  it("counts what did not help beside what did", () => {
    const useless = [{ skill: "restart-host", target: "cart" }];
    const mixed = { ...one("e", "roll-back-host", true), useless, likeness: 1 };
    expect(synthesize([mixed], "").patterns).toMatchObject([
      { skill: "roll-back-host", helped: 1, failed: 0, cases: ["e"] },
      { skill: "restart-host", helped: 0, failed: 1, cases: ["e"] },
    ]);
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
    const { solutions, confidence } = solve(given);
    expect(solutions[0]).toMatchObject({ skill: "restart-host", cases: ["a", "b", "c"] });
    expect(confidence).toBe(solutions[0]?.chance);
    expect(solve({ ...given, cases: [] }).confidence).toBe(0);
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
  // Whose attempts that rests on, who else there is, and how sure it is.
  expect(judged?.agents.map(({ agent }) => agent)).toEqual(["b", "a"]);
  expect(judged?.confidence).toBeGreaterThan(0.95);
  const sureOf = (target: number) => assess([record("a", 7, 3)], { notify: target }).skills[0]?.confidence ?? 0;
  expect(sureOf(0.68)).toBeLessThan(sureOf(0.2));
  expect(assess([record("a", 2, 0)], { notify: 0.9 }).skills[0]?.confidence).toBe(0);
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

  // It said that no skill was meant for it, as if it knew what for.
  it("says that the cause is what it lacks", () => {
    const { steps } = plan({
      taskDescription: "x",
      skills: [skill("scale-host", "low", true)],
      cases: [],
      performance: [],
      edges: [],
    });
    expect(steps[0]?.text).toBe('Look at what is known of "x": its cause is not known.');
  });

  describe("names what it rests on", () => {
    const like = (id: string, done: string, helped: boolean) => ({
      id,
      signature: [],
      cause,
      action: { skill: done, target: "stock" },
      helped,
      weight: 0.5,
      likeness: 1,
    });
    const skills = [skill("scale-host", "low", true), skill("restart-host", "high", false)];
    const given = { taskDescription: "x", cause: { ...cause, confidence: 0.8 }, skills, edges: [] };
    const order = (planned: ReturnType<typeof plan>) =>
      planned.steps.map(({ action }) => action).filter((action) => action.endsWith("-host"));

    it("in every step, with the others that were weighed", () => {
      const cases = [like("inc_1", "restart-host", true), like("inc_2", "restart-host", true)];
      const performance = [{ agent: "agent_0", skill: "restart-host", succeeded: 3, failed: 1 }];
      const planned = plan({ ...given, cases, performance });
      expect(planned.steps.every(({ grounds }) => grounds.length > 0)).toBe(true);
      const restart = planned.steps.find(({ action }) => action === "restart-host");
      expect(restart?.grounds.flatMap(({ refs }) => refs)).toEqual(["restart-host", "inc_1", "inc_2", "agent_0"]);
      expect(planned.alternatives).toMatchObject([{ skill: "scale-host", refs: ["scale-host"] }]);
    });

    it("puts first what helped, and never takes up again what only failed before the rest", () => {
      expect(order(plan(given))).toEqual(["scale-host", "restart-host"]);
      const cases = [1, 2, 3].map((n) => like(`inc_${n}`, "scale-host", false));
      expect(order(plan({ ...given, cases }))).toEqual(["restart-host", "scale-host"]);
      // Of another cause it says nothing.
      const others = cases.map((one) => ({ ...one, cause: { ...cause, service: "cart" } }));
      expect(order(plan({ ...given, cases: others }))).toEqual(["scale-host", "restart-host"]);
    });

    it("knows a remedy that is meant for nothing from the cases in which it helped", () => {
      const command = { name: "run-command", risk: "low" as const, canUndo: false, remedies: [] };
      const planned = (cases: ReturnType<typeof like>[]) => plan({ ...given, skills: [command], cases });
      expect(planned([like("inc_1", "run-command", true)]).steps.map(({ action }) => action)).toContain("run-command");
      expect(planned([like("inc_1", "run-command", false)])).toMatchObject({
        confidence: 0,
        alternatives: [{ skill: "run-command", chance: null }],
      });
    });

    // With each of them it must move, and never be more than the cause it is about.
    it("is as sure as the cause, what helped and who does it allow", () => {
      const sure = plan(given).confidence;
      expect(sure).toBeGreaterThan(0);
      expect(sure).toBeLessThanOrEqual(0.8);
      expect(plan({ ...given, cause: { ...cause, confidence: 0.4 } }).confidence).toBeCloseTo(sure / 2);
      const cases = [like("inc_1", "scale-host", true), like("inc_2", "scale-host", true)];
      expect(plan({ ...given, cases }).confidence).toBeGreaterThan(sure);
      const performance = skills.map(({ name }) => ({ agent: "a", skill: name, succeeded: 1, failed: 9 }));
      expect(plan({ ...given, performance }).confidence).toBeLessThan(sure / 2);
    });

    it("and what it does not know", () => {
      expect(plan({ ...given, cause }).missing).toEqual([
        expect.stringContaining("How sure the cause is"),
        expect.stringContaining("A like case in which scale-host, restart-host"),
        expect.stringContaining("How agents do at scale-host, restart-host"),
      ]);
      expect(plan({ ...given, cause: undefined })).toMatchObject({ confidence: 0, missing: ["The cause."] });
    });
  });
});
