import { expect, it } from "vitest";
import { z } from "zod";
import { PolicyRule } from "#contracts/policy.ts";
import { modeProblems, type Skills, skillProblem } from "./skill-fit.ts";

const schema = (shape: z.core.$ZodShape) =>
  z.toJSONSchema(z.strictObject(shape), { io: "input" }) as z.core.util.JSONType;
const skills: Skills = new Map([
  [
    "notify",
    {
      targetParam: null,
      params: schema({ message: z.string().min(1), channel: z.enum(["log", "slack"]).default("log") }),
    },
  ],
  ["scale-host", { targetParam: "host", params: schema({ host: z.string().min(1), replicas: z.int().min(1).max(8) }) }],
]);
const problem = (skill: string, params: object, target = "") =>
  skillProblem(PolicyRule.parse({ name: "r", skill, params, target }), skills);

// Its task failed each time, and `policy test` found nothing wrong with it.
it("names every parameter of a rule that its skill will not take, before it is needed", () => {
  expect(problem("notify", { mesage: "m", channel: "smoke" })).toMatch(
    /^Rule "r": notify cannot be done so\. .*message: .*channel: .*mesage/,
  );
  expect(problem("scale-host", { replicas: 0 }, "shop")).toContain("replicas: ");
  // A text with a number in it is no number.
  expect(problem("scale-host", { replicas: "{recalled.count}" }, "shop")).toContain("replicas: ");
  expect(problem("scale-host", { replicas: 2 })).toContain("target: ");
});

it("does not judge what stands in a place for a signal", () => {
  expect(problem("notify", { message: "{incident.title}", channel: "{cause.kind}" })).toBeUndefined();
  expect(problem("scale-host", { replicas: 2 }, "{cause.host}")).toBeUndefined();
});

// It was believed to forbid what was done all the same, or to allow what waited.
it("tells of a mode that holds for no skill", () => {
  const of = (skill: string) => modeProblems([{ skill, target: "*", mode: "act" }], skills);
  expect(of("scale-hots")).toEqual([expect.stringContaining('no skill "scale-hots"; there are notify, scale-host')]);
  expect([...of("*"), ...of("scale-*")]).toEqual([]);
});
