import { expect, it } from "vitest";
import type { Diagnosis, Evidence, Movement, Option, RecalledCase } from "#contracts/cognitive.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { CoordinatorConfig } from "./config.ts";
import { createDecisions, type Thought } from "./decisions.ts";
import type { Mode } from "#contracts/action.ts";
import type { Skill } from "#contracts/organism.ts";
import type { Maintenance, PolicyRule } from "#contracts/policy.ts";
import type { ActionRecord } from "./action.ts";
import type { NewAction } from "./actions.ts";
import type { IncidentRecord } from "./incident.ts";
import { compilePolicy } from "./policy/policy.ts";

const CAUSE = { service: "stock", kind: "latency", confidence: 0.9 } as const;
const CASE: RecalledCase = {
  id: "inc_0",
  signature: ["stock/latency:up"],
  cause: CAUSE,
  action: { skill: "restart-host", target: "stock" },
  helped: false,
  weight: 0.5,
  likeness: 0.9,
};

type Weighed = Omit<Option, "predictedDeltaE">;

/** What is said for and against a restart when these cases are recalled, and what else there is. */
async function weighed(
  cases: readonly RecalledCase[],
  skills: readonly Partial<Skill>[] = [],
): Promise<Weighed & { readonly others: readonly Weighed[] }> {
  const clock = createFakeClock();
  const compiled = compilePolicy(
    [{ name: "restart", when: "true", skill: "restart-host", target: "stock", params: {} }],
    [],
  );
  if ("problems" in compiled) throw new Error(compiled.problems.join(" "));
  let asked: (Weighed & { readonly others: readonly Weighed[] }) | undefined;
  const decisions = createDecisions({
    policy: () => compiled.policy,
    actions: { ofIncident: () => [], maintenances: { all: () => [] } } as never,
    skills: async () => new Map(skills.map((skill) => [skill.name ?? "", skill as Skill])),
    system: async () => ({ openIncidents: 1 }),
    heldBack: async () => undefined,
    weigh: async (option, others) => {
      asked = { ...option, others };
      return { isWorthIt: false, reasoning: "", deltaE: null, rawDeltaE: null };
    },
    config: () => CoordinatorConfig.parse({}),
    clock,
  });
  const incident = { id: "inc_1", cause: CAUSE, series: [], acknowledgedBy: null, decision: null };
  const thought = {
    diagnosis: { cause: { ...CAUSE, changeId: null }, signature: [] },
    evidence: { cases, graph: null, changes: [] },
    ageMs: 0,
  };
  await decisions.on(
    incident as unknown as IncidentRecord,
    thought as unknown as { diagnosis: Diagnosis; evidence: Evidence; ageMs: number },
    true,
  );
  if (asked === undefined) throw new Error("Nothing was weighed.");
  return asked;
}

const RESTART = { name: "restart", when: "true", skill: "restart-host", target: "stock-host", params: {} };
const SKILL = { name: "restart-host", risk: "high", targetParam: "host", repairs: true } as Skill;
const INCIDENT = { id: "inc_1", cause: null, series: [], acknowledgedBy: null, decision: null };
const NOW = createFakeClock().now();
const MAINTENANCE: Maintenance = { id: "mnt_1", target: "stock-*", fromMs: 0, toMs: NOW + 60_000, reason: "" };

/** What is written down of a restart in this mode, and what was counted as done or under way. */
async function decided(
  mode: Mode,
  known: {
    readonly maintenances?: readonly Maintenance[];
    readonly recent?: readonly ActionRecord[];
    readonly skill?: Partial<Skill>;
    readonly rule?: Partial<PolicyRule>;
    /** Of the incident. */
    readonly own?: readonly ActionRecord[];
    readonly cause?: IncidentRecord["cause"];
    readonly movements?: readonly Partial<Movement>[];
  },
): Promise<{ action: NewAction | undefined; counted: readonly ActionRecord[] | undefined }> {
  const compiled = compilePolicy([{ ...RESTART, ...known.rule }], [{ skill: "*", target: "*", mode }]);
  if ("problems" in compiled) throw new Error(compiled.problems.join(" "));
  let action: NewAction | undefined;
  let counted: readonly ActionRecord[] | undefined;
  const decisions = createDecisions({
    policy: () => compiled.policy,
    actions: {
      ofIncident: () => known.own ?? [],
      maintenances: { all: () => known.maintenances ?? [] },
      recent: () => known.recent ?? [],
      steadyNow: () => NOW,
      create: async (one: NewAction) => {
        action = one;
        return { after: one, entries: [], statements: [], stored: () => {} };
      },
    } as never,
    skills: async () => new Map([[SKILL.name, { ...SKILL, ...known.skill }]]),
    system: async () => ({ openIncidents: 1 }),
    heldBack: async (_action, recent) => {
      counted = recent;
      return undefined;
    },
    weigh: async () => ({ isWorthIt: true, reasoning: "", deltaE: null, rawDeltaE: null }),
    config: () => CoordinatorConfig.parse({}),
    clock: createFakeClock(),
  });
  const incident = { ...INCIDENT, series: ["services/stock/latency"], cause: known.cause ?? null };
  const thought = known.movements && {
    diagnosis: { cause: { ...CAUSE, changeId: null }, signature: [] },
    evidence: { movements: known.movements, cases: [], graph: null, changes: [] },
    ageMs: 0,
  };
  await decisions.on(incident as unknown as IncidentRecord, thought as unknown as Thought | undefined, true);
  return { action, counted };
}

// In the mode observe it was written down as if it would have been done, and held back what else would have been.
it.each<Mode>(["observe", "propose", "act"])("holds back during maintenance in the mode %s", async (mode) => {
  const { action } = await decided(mode, { maintenances: [MAINTENANCE] });
  expect(action).toMatchObject({ state: "observed", wouldBegin: false, reason: expect.stringContaining("mnt_1") });
});

it("writes down in the mode observe alone what the mode alone keeps from being begun", async () => {
  expect((await decided("observe", {})).action).toMatchObject({ state: "observed", wouldBegin: true });
  expect((await decided("propose", {})).action).toMatchObject({ state: "proposed", wouldBegin: false });
  expect((await decided("act", {})).action).toMatchObject({ state: "acting", wouldBegin: false });
});

it("counts as begun what would have begun, whatever is said of it, and not what maintenance held back", async () => {
  const observed = { incidentId: "inc_0", risk: "high", mode: "observe", state: "observed", endedAtMs: NOW - 1 };
  const recent = [
    { ...observed, id: "a", wouldBegin: true },
    { ...observed, id: "b", wouldBegin: false },
    { ...observed, id: "c", wouldBegin: true, risk: "none" },
  ] as ActionRecord[];
  const { counted } = await decided("observe", { recent });
  expect(counted).toMatchObject([
    { state: "checking", begunAtMs: NOW - 1 },
    { state: "observed" },
    { state: "observed" },
  ]);
});

// While noise kept an incident open, whatever else broke joined it, and nothing was done about it.
it.each<[string, ActionRecord["state"], IncidentRecord["cause"], boolean, number?]>([
  ["helped and something else is to blame", "helped", { ...CAUSE, service: "cart" }, true],
  ["helped and another trouble of the same is", "helped", { ...CAUSE, kind: "memory" }, true],
  ["helped just now and the same is to blame", "helped", CAUSE, false],
  ["helped a minute ago and the same has come back", "helped", CAUSE, true, 61_000],
  ["helped and nobody knows what is", "helped", { ...CAUSE, service: null, kind: "unknown" }, false],
  ["did not help", "useless", { ...CAUSE, service: "cart" }, false],
  ["is being done", "acting", { ...CAUSE, service: "cart" }, false],
])("of a rule that was followed and %s", async (_what, state, cause, isFollowedAgain, agoMs = 1_000) => {
  const before = { rule: "restart", risk: "high", state, cause: CAUSE, endedAtMs: NOW - agoMs } as ActionRecord;
  const { action } = await decided("act", { own: [before], cause });
  expect(action !== undefined).toBe(isFollowedAgain);
});

// A silence, or a call that opens a ticket, was judged by series that it cannot make routine.
it("looks at series for what is meant to repair, by its skill and its rule", async () => {
  const checked = async (known: Parameters<typeof decided>[1]) => (await decided("act", known)).action?.checkedSeries;
  expect(await checked({})).toEqual(["services/stock/latency"]);
  expect(await checked({ skill: { repairs: false } })).toEqual([]);
  expect(await checked({ rule: { repairs: false } })).toEqual([]);
  expect(await checked({ skill: { risk: "none" } })).toEqual([]);
});

// A restart of cart helped, it said, since the machine's cpu, which had moved before anything was wrong, was routine again.
it("looks at what can tell whether the trouble is over, not at whatever has moved", async () => {
  const cpu = { series: "host/cpu", service: null, isCleared: false };
  const front = { series: "services/front/latency", service: "front", isCleared: false };
  const stock = { series: "services/stock/latency", service: "stock", isCleared: false };
  const checked = async (movements: readonly Partial<Movement>[], cause: IncidentRecord["cause"] = CAUSE) =>
    (await decided("act", { movements, cause })).action?.checkedSeries;
  expect(await checked([cpu, front, stock])).toEqual(["services/stock/latency"]);
  expect(await checked([cpu, front])).toEqual(["services/front/latency"]);
  expect(await checked([cpu])).toEqual(["services/stock/latency"]);
  expect(await checked([cpu, { ...front, isCleared: true }])).toEqual(["services/stock/latency"]);
  expect(await checked([cpu], { ...CAUSE, kind: "crash" })).toEqual(["services/stock/errors"]);
});

// A fault in the night was proposed once, expired, and burned on until somebody looked by chance.
it("asks a second time for what nobody decided on in time, and says that it is the last", async () => {
  const lapsed = {
    rule: "restart",
    risk: "high",
    state: "expired",
    cause: CAUSE,
    expiresAtMs: NOW - 1,
    endedAtMs: NOW,
  } as ActionRecord;
  const first = (await decided("propose", {})).action;
  expect(first?.reason).toBe("A person must approve it.");
  const second = (await decided("propose", { own: [lapsed], cause: CAUSE })).action;
  expect(second).toMatchObject({ state: "proposed", reason: expect.stringContaining("last time") });
  expect((await decided("propose", { own: [lapsed, lapsed], cause: CAUSE })).action).toBeUndefined();
  // What somebody said no to is not asked for again.
  const rejected = { ...lapsed, state: "rejected" } as ActionRecord;
  expect((await decided("propose", { own: [lapsed, rejected], cause: CAUSE })).action).toBeUndefined();
});

it("weighs an action by like cases of the same against the same cause", async () => {
  expect(await weighed([CASE, { ...CASE, id: "b", helped: true }])).toMatchObject({ helped: 1, failed: 1 });
  const other = { ...CASE, action: { skill: "scale-host", target: "stock" }, helped: true };
  expect(await weighed([{ ...other, useless: [{ skill: "restart-host", target: "stock" }] }])).toMatchObject({
    helped: 0,
    failed: 1,
  });
});

// A decision had one option, so that it never had an alternative.
it("weighs it beside what else repairs such a cause, or helped against it", async () => {
  const skill: Partial<Skill> = { risk: "high", params: {}, remedies: [], repairs: true, targetParam: "host" };
  const helpful = { ...CASE, action: { skill: "flush", target: "stock" }, helped: true };
  const { others } = await weighed(
    [helpful],
    [
      { ...skill, name: "restart-host", remedies: ["latency"] },
      { ...skill, name: "scale-host", risk: "low", remedies: ["latency"] },
      { ...skill, name: "flush" },
      { ...skill, name: "roll-back-host", remedies: ["change"] },
      { ...skill, name: "silence", risk: "low", repairs: false, remedies: ["latency"] },
    ],
  );
  expect(others).toEqual([
    { skill: "scale-host", target: "stock", risk: "low", helped: 0, failed: 0, cases: [] },
    { skill: "flush", target: "stock", risk: "high", helped: 1, failed: 0, cases: ["inc_0"] },
  ]);
});

// A case that had misled until its weight was next to nothing still kept a repair from being done.
it.each<[string, Partial<RecalledCase>]>([
  ["that has misled", { weight: 0.25 }],
  ["that is hardly like it", { likeness: 0.4 }],
  ["of another service", { cause: { ...CAUSE, service: "cart" } }],
  ["of another kind", { cause: { ...CAUSE, kind: "errors" } }],
  ["in which something else was done", { action: { skill: "scale-host", target: "stock" } }],
])("leaves out a case %s", async (_what, other) => {
  expect(await weighed([{ ...CASE, ...other }])).toMatchObject({ helped: 0, failed: 0 });
});
