import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ModeRule, PolicyRule } from "#contracts/policy.ts";
import { CoordinatorConfig } from "../config.ts";
import { compilePolicy, type Policy } from "./policy.ts";
import { SIGNALS, type Signals } from "./signals.ts";

const signals: Signals = {
  incident: {
    id: "inc_1",
    title: "services/cart/latency moved up",
    severity: "high",
    ageS: 3,
    series: ["services/cart/latency", "shop/orders"],
    distance: 12,
    isAcknowledged: false,
    moved: ["cart/latency:up"],
  },
  cause: {
    isKnown: true,
    service: "cart",
    host: "cart-host",
    kind: "latency",
    confidence: 0.9,
    isOwn: true,
    ageS: 20,
    changeKind: "",
  },
  recalled: { count: 0, helped: 0, failed: 0, skill: "", likeness: 0 },
  tried: { count: 0, useless: 0, skills: [] },
  asked: { waiting: 0, expired: 0 },
  system: { openIncidents: 1, energy: undefined, cpu: 0.2, memory: 0.3, successRate: 0.9, isMaintenance: false },
  now: { hour: 12, weekday: 3 },
};

const rule = (name: string, when: string, more: Partial<PolicyRule> = {}) =>
  PolicyRule.parse({ name, when, skill: "notify", ...more });

function policyOf(rules: readonly PolicyRule[], modes: readonly ModeRule[] = []): Policy {
  const compiled = compilePolicy(rules, modes);
  if ("problems" in compiled) throw new Error(compiled.problems.join("\n"));
  return compiled.policy;
}

function problemsOf(...rules: PolicyRule[]): readonly string[] {
  const compiled = compilePolicy(rules, []);
  return "problems" in compiled ? compiled.problems : [];
}

const first = (rules: readonly PolicyRule[], followed: string[] = [], errors: string[] = []) =>
  policyOf(rules).decide(signals, { followed: new Set(followed), onError: (problem) => errors.push(problem) });

describe("a policy", () => {
  it("takes the first rule that matches and was not followed, with the signals filled in", () => {
    const rules = [
      rule("low", 'incident.severity == "low"'),
      rule("cart", 'cause.service == "cart" && cause.confidence >= 0.7', {
        target: "{cause.host}",
        params: { a: ["{incident.id}"] },
      }),
      rule("all", "true"),
    ];
    expect(first(rules)).toMatchObject({ rule: { name: "cart" }, target: "cart-host", params: { a: ["inc_1"] } });
    expect(first(rules, ["cart"])?.rule.name).toBe("all");
    expect(first(rules, ["cart", "all"])).toBeUndefined();
  });

  it.each([
    'incident.series.exists(s, s.startsWith("shop/"))',
    'cause.kind in ["latency", "errors"]',
    "cause.ageS >= 15 && incident.distance > 8.5",
    '"cart/latency:up" in incident.moved',
    "size(incident.series) == 2",
  ])("understands %s", (when) => {
    expect(first([rule("r", when)])?.rule.name).toBe("r");
  });

  // Acting on "" would be acting on anything.
  it("passes over a rule that asks for, or is done to, what is not known, and says so", () => {
    const errors: string[] = [];
    const rules = [
      rule("energy", "system.energy > 3.0"),
      rule("change", "true", { target: "{cause.changeKind}" }),
      rule("all", "true"),
    ];
    expect(first(rules, [], errors)?.rule.name).toBe("all");
    expect(errors).toHaveLength(2);
    expect(errors[1]).toContain("{cause.changeKind}");
  });

  it("fills in text, never a template or an expression", () => {
    const odd = { ...signals, incident: { ...signals.incident, title: "{cause.host} $& true" } };
    const choice = policyOf([rule("r", "true", { params: { message: "{incident.title}" } })]).decide(odd, {
      followed: new Set(),
    });
    expect(choice?.params).toEqual({ message: "{cause.host} $& true" });
  });

  it("proposes what has a risk and does what has none, unless a mode says otherwise", () => {
    const policy = policyOf(
      [],
      [
        { skill: "restart-*", target: "cart*", mode: "act" },
        { skill: "*", target: "stock", mode: "observe" },
      ],
    );
    expect(policy.modeOf("restart-host", "cart-host", "high")).toBe("act");
    expect(policy.modeOf("restart-host", "stock", "high")).toBe("observe");
    expect(policy.modeOf("restart-host", "front", "low")).toBe("propose");
    expect(policy.modeOf("notify", "", "none")).toBe("act");
  });
});

describe("what is refused when it is loaded", () => {
  it.each([
    ["a misspelt signal", "cause.confidnce > 0.5", "confidnce"],
    ["an unknown group", "cuase.confidence > 0.5", "cuase"],
    ["half a condition", "cause.isOwn &&", "EOF"],
    ["a number for a condition", "cause.confidence", "true or false"],
    ["a pattern that may take for ever", 'incident.title.matches("(a+)+$")', "matches"],
    ["lists within lists", "incident.series.all(a, incident.series.all(b, a == b))", "within another"],
    ["a way out", 'cause.constructor == "x"', "constructor"],
    ["one that is too deep", `${"(cause.isOwn ? ".repeat(60)}true${" : false)".repeat(60)}`, ""],
  ])("%s", (_what, when, part) => {
    const [problem] = problemsOf(rule("r", when));
    expect(problem).toContain('Rule "r"');
    expect(problem).toContain(part);
  });

  it("two rules of one name, an unknown placeholder, and opposite actions under the same condition", () => {
    expect(problemsOf(rule("a", "true"), rule("a", "cause.isOwn"))[0]).toContain("two rules");
    expect(problemsOf(rule("a", "true", { target: "{cause.hots}" }))[0]).toContain("{cause.hots}");
    const up = rule("up", "cause.isOwn", { skill: "scale-host", target: "{cause.host}", params: { replicas: 3 } });
    const down = rule("down", " cause.isOwn ", {
      skill: "scale-host",
      target: "{cause.host}",
      params: { replicas: 1 },
    });
    expect(problemsOf(up, down)[0]).toContain("same condition");
    expect(problemsOf(up, rule("tell", "cause.isOwn"))).toEqual([]);
  });

  // Only the first rule of a condition was compared: whoever was told first hid that the next two cannot both have their way.
  it("opposite actions, whatever other rule has their condition", () => {
    const rules = [
      rule("tell", "cause.isOwn"),
      rule("restart", "cause.isOwn", { skill: "restart-host", target: "{cause.host}" }),
      rule("roll back", "cause.isOwn", { skill: "roll-back-host", target: "{cause.host}" }),
    ];
    expect(problemsOf(...rules)).toEqual([expect.stringContaining('The rules "restart" and "roll back"')]);
    // Several may be told.
    expect(problemsOf(rule("log", "true"), rule("page", "true", { params: { channel: "slack" } }))).toEqual([]);
  });
});

it("never throws, whatever the signals are, and the default policy always finds something to do", () => {
  const { policy, modes } = CoordinatorConfig.parse({});
  const compiled = policyOf(policy, modes);
  fc.assert(
    fc.property(fc.string(), fc.double(), fc.boolean(), fc.array(fc.string()), (text, number, flag, list) => {
      const odd = Object.fromEntries(
        Object.entries(signals).map(([group, values]) => [
          group,
          Object.fromEntries(
            Object.entries(values).map(([name, value]) => [
              name,
              typeof value === "string"
                ? text
                : typeof value === "number"
                  ? number
                  : typeof value === "boolean"
                    ? flag
                    : Array.isArray(value)
                      ? list
                      : undefined,
            ]),
          ),
        ]),
      ) as unknown as Signals;
      const id = { ...odd, incident: { ...odd.incident, id: "inc_1", severity: "low", title: "t" } };
      expect(compiled.decide(id, { followed: new Set() })).toBeDefined();
    }),
  );
});

// The page is what people write rules by.
it("has every signal in docs/policy.md, and no other there", () => {
  const page = readFileSync(new URL("../../../../docs/policy.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `([a-z]+\.[A-Za-z]+)` \|/gm)].map(([, name]) => name);
  const known = Object.entries(SIGNALS).flatMap(([group, names]) =>
    Object.keys(names).map((name) => `${group}.${name}`),
  );
  expect(listed).toEqual(known);
});
