/** What conditions may cost: rules come from files and, to be tried, by the network, and the coordinator waits for them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ModeRule, PolicyRule } from "#contracts/policy.ts";
import { compileCondition } from "./expression.ts";
import { compilePolicy } from "./policy.ts";
import type { Signals } from "./signals.ts";

const signals: Signals = {
  incident: {
    id: "inc_1",
    title: "shop/orders moved down",
    severity: "high",
    ageS: 3,
    series: ["shop/orders", "host/cpu"],
    distance: 12,
    isAcknowledged: false,
    moved: ["orders:down"],
  },
  cause: {
    isKnown: false,
    service: "",
    host: "",
    kind: "unknown",
    confidence: 0,
    isOwn: false,
    ageS: 0,
    changeKind: "",
  },
  recalled: { count: 2, helped: 1, failed: 1, skill: "", likeness: 0 },
  tried: { count: 0, useless: 0, skills: [] },
  asked: { waiting: 0, expired: 0 },
  system: { openIncidents: 1, energy: undefined, cpu: 0.2, memory: 0.3, successRate: 0.9, isMaintenance: false },
  now: { hour: 9, weekday: 3 },
};
const withSeries = (count: number): Signals => ({
  ...signals,
  incident: { ...signals.incident, series: Array.from({ length: count }, (_, i) => `host/s${i}`) },
});

const holds = (when: string, on = signals) => compileCondition(when).holds(on);

/** Each name is four times the one before: 14 of them are more than there is memory, and within the limits of the library. */
function grown(times: number, of: string, last: (name: string) => string): string {
  let text = last(`x${times}`);
  for (let i = times; i > 0; i--)
    text = `cel.bind(x${i}, ${Array(4)
      .fill(`x${i - 1}`)
      .join(" + ")}, ${text})`;
  return `cel.bind(x0, ${of}, ${text})`;
}

describe("a condition that does not end is refused when it is loaded", () => {
  it.each([
    ["lists that grow", grown(14, "incident.series", (x) => `${x}.size() > 0`), "bind() is not"],
    ["texts that grow", grown(14, "incident.title", (x) => `${x}.size() > 0`), "bind() is not"],
    ["patterns", 'incident.title.matches("(a+)+$")', "matches() is not"],
    ["texts of whole lists", 'incident.series.join("").contains("x")', "join() is not"],
    [
      "three lists deep",
      "incident.series.all(a, incident.series.all(b, incident.series.all(c, a == b && b == c)))",
      "within",
    ],
    ["nesting behind a list of lists", "[incident.series].all(l, l.all(s, s in incident.series))", "within"],
    [
      "a long sum for every element",
      `incident.series.all(s, size(incident.series${" + incident.series".repeat(20)}) > 0)`,
      "steps",
    ],
    [
      "lists compared for every element",
      `incident.series.all(s, ${Array(8).fill("s in incident.series").join(" || ")})`,
      "steps",
    ],
    ["a table", '{"a": 1}.size() > 0', ""],
    ["a glob that is made up on the way", "incident.title.like(incident.title)", "written out"],
  ])("%s", (_what, when, part) => {
    expect(() => compileCondition(when)).toThrow(part);
  });

  it("a thousand dear conditions together, each of which would do", () => {
    const when = "incident.series.all(s, s in incident.moved)";
    const rules = Array.from({ length: 1_000 }, (_, i) => PolicyRule.parse({ name: `r${i}`, when, skill: "notify" }));
    expect(compilePolicy(rules.slice(0, 5), [])).toHaveProperty("policy");
    expect(compilePolicy(rules, [])).toMatchObject({ problems: [expect.stringContaining("steps together")] });
  });

  // Decided by what the lists hold then, not by what is usual.
  it("and passed over on an incident that is too large for it", () => {
    const when = "incident.series.all(s, s in incident.series)";
    expect(holds(when, withSeries(200))).toBe(true);
    expect(() => holds(when, withSeries(2_000))).toThrow("steps");
    expect(holds('incident.series.exists(s, s == "host/s1999")', withSeries(2_000))).toBe(true);
  });
});

describe("a slip is refused when it is loaded, with what is there", () => {
  it.each([
    ["has(cause.hots)", "cause has isKnown, service, host"],
    ["has(cuase.host)", "cuase.host"],
    ['cause.hots == "x"', 'cause has no "hots"; it has isKnown'],
    ["cuase.isOwn", 'no "cuase"; there are incident, cause'],
    // A number in disguise would be no match for ever.
    ["dyn(1)", "dyn() is not"],
    ["[][0]", "where true or false is wanted"],
    ['incident["constructor"] == "x"', 'incident has no "constructor"'],
    ['incident.__proto__ == "x"', 'incident has no "__proto__"'],
    ["constructor == 1", 'no "constructor"'],
  ])("%s", (when, part) => {
    expect(() => compileCondition(when)).toThrow(part);
  });

  it.each(["{host}", "{ cause.host }", "{cause.Host}", "host-{", "}"])("a target of %s", (target) => {
    const compiled = compilePolicy([PolicyRule.parse({ name: "r", skill: "restart-host", target })], []);
    expect(compiled).toMatchObject({ problems: [expect.stringContaining("names no signal")] });
  });

  it("a skill that there is not, where skills are known; braces of other texts stay", () => {
    const rule = PolicyRule.parse({ name: "r", skill: "notifi", params: { message: '{"a": {}} {{x}}' } });
    expect(compilePolicy([rule], [])).toHaveProperty("policy");
    const known = compilePolicy(
      [rule],
      [],
      new Map(["notify", "noop"].map((name) => [name, { targetParam: null, params: {} }])),
    );
    expect(known).toEqual({ problems: ['Rule "r": there is no skill "notifi"; there are noop, notify.'] });
  });
});

it.each([
  "now.hour in [9, 10] && now.weekday == 3",
  "recalled.helped + 1 > recalled.failed && 2 * recalled.count >= 4.0",
  'incident.series.exists(s, s.like("*/c?u"))',
  'incident.series.filter(s, s.startsWith("shop/")).exists(s, s.endsWith("orders"))',
  "has(system.cpu) && !has(system.energy)",
  "!(has(system.energy) && system.energy > 3)",
  'incident.series.map(s, s.contains("cpu"))[1]',
])("understands %s", (when) => {
  expect(holds(when)).toBe(true);
});

it("decides the same every time, in order, and tells rather than throws, whatever the rules and texts are", () => {
  const conditions = fc.constantFrom(
    "true",
    "cause.isKnown",
    "system.energy > 1",
    'incident.severity == "high"',
    'incident.series[7] == "x"',
    "1.0 / tried.count > 2.0",
    'incident.title.contains("{")',
  );
  const rules = fc.uniqueArray(
    fc.record({
      when: conditions,
      text: fc.string({ maxLength: 30 }),
      target: fc.constantFrom("", "{cause.host}", "x"),
    }),
    { maxLength: 6, selector: ({ when }) => when },
  );
  fc.assert(
    fc.property(rules, fc.string(), (written, title) => {
      const parsed = written.map(({ when, text, target }, i) =>
        PolicyRule.parse({
          name: `r${i}`,
          when,
          skill: "notify",
          target,
          params: { text: text.replace(/[{}]/g, ""), title: "{incident.id} {incident.title}" },
        }),
      );
      const compiled = compilePolicy(parsed, [ModeRule.parse({ mode: "observe" })]);
      if ("problems" in compiled) throw new Error(compiled.problems.join());
      const on: Signals = { ...signals, incident: { ...signals.incident, title } };
      const followed = new Set<string>();
      let last = -1;
      for (;;) {
        const problems: string[] = [];
        const choice = compiled.policy.decide(on, { followed, onError: (problem) => problems.push(problem) });
        expect(compiled.policy.decide(on, { followed })).toEqual(choice);
        for (const problem of problems) expect(problem).toMatch(/^Rule "r\d" is passed over: /);
        if (choice === undefined) return;
        const at = parsed.findIndex(({ name }) => name === choice.rule.name);
        expect(at).toBeGreaterThan(last);
        expect(choice.params.title).toBe(`inc_1 ${title}`);
        last = at;
        followed.add(choice.rule.name);
      }
    }),
  );
});
