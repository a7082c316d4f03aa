/** The loop closed: cause, decision, action, effect, memory. */
import { CompiledQuery } from "kysely";
import { describe, expect, it } from "vitest";
import type { Action } from "#contracts/action.ts";
import type { Crossing } from "#contracts/ml.ts";
import { telemetry } from "#contracts/telemetry.ts";
import { implement } from "#runtime/service.ts";
import {
  actionOf,
  begun,
  crossing,
  fault,
  graph,
  open,
  QUICK,
  repair,
  RULE,
  SKILL,
  until,
  watchers,
  world,
} from "./loop-world.ts";
import { eventually } from "./eventually.ts";

describe("a fault at the bottom", () => {
  it("is blamed on the right service, repaired, seen to be, and learned from", async () => {
    const box = await open();
    const id = await fault(box);
    await begun();
    const acting = await actionOf(box, id);
    expect(acting).toMatchObject({
      state: "acting",
      target: "stock-host",
      cause: { service: "stock", kind: "latency" },
    });
    expect(acting?.predictedDeltaE).toBeLessThan(0);
    expect(acting?.reasoning).toMatch(/never tried on this, \d+ % to help/);
    repair();
    await until(box, id, "helped");
    const incident = await box.coordinator.getIncident({ id });
    // What it found stays, although nothing shows any more.
    expect(incident.cause).toMatchObject({ service: "stock", kind: "latency" });
    expect(incident.story.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["noticed", "diagnosed", "decided", "acted", "outcome", "change"]),
    );
    expect(incident.story.map(({ text }) => text)).toContain(`Rule "repair" decides for ${acting?.reasoning}`);
    await eventually(async () => {
      const { cases } = await box.state.cases({});
      expect(cases[0]).toMatchObject({ helped: true, action: { target: "stock-host" }, cause: { service: "stock" } });
      expect((await box.cognitive.calibration({})).outcomes).toBe(1);
      const { entries } = await box.energy.ledger({});
      expect(entries[0]).toMatchObject({ incidentId: id, rawDeltaE: acting?.predictedDeltaE });
      expect(entries[0]?.measuredDeltaE).toBeLessThan(0);
      expect((await actionOf(box, id))?.measuredDeltaE).toBeLessThan(0);
    });
  });

  // People who had left because of the fault were then all that the incident was about.
  it("stays its cause when it was repaired, and fewer people come afterwards", async () => {
    const box = await open({ incidents: { quietMs: 30_000 } });
    const id = await fault(box);
    await begun();
    repair();
    await until(box, id, "helped");
    world.requestsPerS = 8;
    const before = world.looks;
    expect(await box.coordinator.reportCrossing(crossing("front", Date.now()))).toEqual({ incidentId: id });
    await eventually(() => expect(world.looks).toBeGreaterThan(before + 1));
    const { cause, story } = await box.coordinator.getIncident({ id });
    expect(cause).toMatchObject({ service: "stock", kind: "latency" });
    expect(story.filter(({ kind }) => kind === "diagnosed")).toHaveLength(1);
  });

  it("that what was done did not help is taken back", async () => {
    const box = await open();
    const id = await fault(box);
    await begun();
    world.puppet.running[0]?.succeed("done", null, { skill: "safe", params: {} });
    await eventually(() => expect(world.puppet.running).toHaveLength(1));
    await until(box, id, "undoing");
    world.puppet.running[0]?.succeed();
    await until(box, id, "undone");
    await eventually(async () => expect((await box.state.cases({})).cases[0]).toMatchObject({ helped: false }));
    // The rule has been followed: it is not tried again and again.
    expect(world.puppet.begun).toHaveLength(2);
  });
});

// The first action's failure counted against the cause, although the second one, for the same, was right.
it("judges a cause by the end of its story, not by one remedy that did not help", async () => {
  const second = { ...RULE, name: "otherwise", when: `${RULE.when} && tried.useless > 0`, skill: "safe" };
  const box = await open({ policy: [RULE, second], incidents: { quietMs: 3_000 } });
  const id = await fault(box);
  await begun();
  world.puppet.running[0]?.succeed();
  await eventually(async () => expect((await box.coordinator.getIncident({ id })).actions).toHaveLength(2));
  await begun();
  expect((await box.cognitive.calibration({})).outcomes).toBe(0);
  repair();
  await until(box, id, "helped");
  const judged = async () => (await box.cognitive.calibration({})).bins.filter(({ predictions }) => predictions > 0);
  await eventually(async () => expect(await judged()).toMatchObject([{ predictions: 1, rightShare: 1 }]));
  // A person knows better.
  await box.coordinator.labelIncident({ id, label: "not-an-incident" });
  await eventually(async () => expect(await judged()).toMatchObject([{ predictions: 1, rightShare: 0 }]));
});

it("judges a cause wrong when its incident is over and no remedy for it helped", async () => {
  const box = await open();
  const id = await fault(box);
  await begun();
  world.puppet.running[0]?.succeed();
  await until(box, id, "useless");
  const { crossings } = await box.coordinator.getIncident({ id });
  for (const one of crossings)
    await box.coordinator.reportCrossing({ id: one.id, crossing: one, clearedAtMs: Date.now() });
  await eventually(async () => {
    const { bins } = await box.cognitive.calibration({});
    expect(bins.filter(({ predictions }) => predictions > 0)).toMatchObject([{ predictions: 1, rightShare: 0 }]);
  });
});

// Its series burned on, of course: it was useless, was taken back in the midst of the fault, and spoke against the cause.
it("lets what repairs nothing be, such as a silence, and learns of the repair alone", async () => {
  const skills = [
    { ...SKILL, name: "once" },
    { ...SKILL, name: "safe", risk: "low" as const, idempotent: true, repairs: false, canUndo: true },
  ];
  const { service } = world.puppet;
  const organismService = { ...service, handlers: { ...service.handlers, skills: async () => ({ skills }) } };
  const quiet = { name: "quiet", when: "cause.isKnown", skill: "safe" };
  const box = await open({ policy: [quiet, RULE], effects: { ...QUICK, withinMs: 100 } }, { organismService });
  const id = await fault(box);
  const states = async () => (await box.coordinator.getIncident({ id })).actions.map(({ state }) => state);
  await begun();
  world.puppet.running[0]?.succeed("silent", null, { skill: "safe", params: {} });
  await eventually(async () => expect(await states()).toEqual(["done", "acting"]));
  await begun();
  repair();
  await until(box, id, "helped");
  await eventually(async () =>
    expect((await box.state.cases({})).cases).toMatchObject([{ action: { skill: "once" }, helped: true, useless: [] }]),
  );
  expect(await states()).toEqual(["done", "helped"]);
  expect(world.puppet.begun).toHaveLength(2);
});

// Its agents had no skill at all: the organ that reasons was never given anything to do.
it("plans for an incident as a task of the cognitive organ, from its cause, calls and skills", async () => {
  const rule = { name: "plan", when: "cause.isKnown", skill: "plan", params: { incident: "{incident.id}" } };
  const box = await open({ policy: [rule] }, { organism: {} });
  const id = await fault(box);
  await eventually(async () =>
    expect((await box.coordinator.getIncident({ id })).diagnosis?.cause).toMatchObject({ service: "stock" }),
  );
  const { id: taskId } = await box.coordinator.submitTask({ type: "plan", params: { incident: id } });
  const task = await eventually(async () => {
    const found = await box.coordinator.getTask({ id: taskId });
    expect(found.state).toBe("succeeded");
    return found;
  });
  expect(task).toMatchObject({ organ: "cognitive_organ_1", agent: expect.stringContaining("cognitive_organ_1") });
  const { steps, confidence } = task.result as { steps: { action: string; target: string }[]; confidence: number };
  expect(steps.map(({ action, target }) => `${action} ${target}`)).toEqual(
    expect.arrayContaining(["wait front", "restart-host stock", "scale-host stock"]),
  );
  expect(confidence).toBeGreaterThan(0);
  // Whoever is asked about the incident has it in its story, where the policy says so.
  await until(box, id, "done");
  const { story } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ text }) => /sure to help: 1\. .*restart-host of stock/.test(text))).toHaveLength(1);
  const organs = (await box.organism.organs({})).organs.filter(({ skills }) => skills.length === 0);
  expect(organs).toEqual([]);
});

// Every thought failed on the size of its evidence: the largest incidents were those that nobody was told the cause of.
it("finds the cause of an incident that very much moves in", async () => {
  // Not by the first thought, which comes before the rest of it has moved.
  const box = await open({ policy: [{ ...RULE, when: `${RULE.when} && cause.ageS >= 3` }], modes: [] });
  const now = Date.now();
  const id = await fault(box);
  const more = Array.from({ length: 1_100 }, (_, i) => {
    const { crossing: body } = crossing("stock", now + 10 + i);
    // Some more than once.
    const series = `shelf-${i % 1_050}`;
    return { ...body, id: `shop/${series}@${body.startedAtMs}`, source: "shop", series };
  });
  const row = (body: Crossing) => `('${body.id}','${id}',${body.startedAtMs},NULL,'${JSON.stringify(body)}')`;
  const sql = `insert into coordinator_crossings (id, incident_id, started_at_ms, cleared_at_ms, data) values ${more.map(row).join(",")}`;
  await box.database.write([CompiledQuery.raw(sql)]);
  await until(box, id, "proposed");
  expect((await box.coordinator.getIncident({ id })).crossings.length).toBeGreaterThan(1_000);
});

// While a repair is looked at, the figures are calm again: that the evidence points nowhere, which is quite sure then, was
// what was judged to have been right.
it("judges how sure it was of the cause when it acted, not what it thinks once that is gone", async () => {
  let looks = 0;
  const counting = implement(telemetry, { callGraph: async () => (looks++, graph()) } as never);
  const box = await open({ effects: { ...QUICK, withinMs: 30_000 } }, { more: [counting, ...watchers().slice(1)] });
  const id = await fault(box);
  await begun();
  const sure = (await box.coordinator.getIncident({ id })).diagnosis?.cause.rawConfidence ?? 0;
  world.stockMs = 4;
  world.puppet.running[0]?.succeed();
  await until(box, id, "checking");
  const before = looks;
  // It has been thought about for the first of them once it is gathered for the third.
  await eventually(() => expect(looks).toBeGreaterThan(before + 2));
  world.latency = 4;
  await until(box, id, "helped");
  await eventually(async () => expect((await box.cognitive.calibration({})).outcomes).toBe(1));
  const { bins } = await box.cognitive.calibration({});
  const judged = bins.filter(({ predictions }) => predictions > 0);
  expect(sure).toBeLessThan(1);
  expect(judged).toEqual([expect.objectContaining({ meanConfidence: sure, rightShare: 1 })]);
});

// Weighed was whether the action helped, whatever the case had said of it: a case that warned rightly was soon no longer heard.
it("believes a case more whose word came true, and one that misled less", async () => {
  const box = await open({ blastRadius: { perTargetPerHour: 10 } });
  const weights = async () => {
    const { cases } = await box.state.cases({});
    return new Map(cases.map(({ id, weight }) => [id, weight]));
  };
  const play = async (end: () => void, state: Action["state"]) => {
    const id = await fault(box);
    await begun();
    end();
    await until(box, id, state);
    const { crossings } = await box.coordinator.getIncident({ id });
    for (const one of crossings) {
      await box.coordinator.reportCrossing({ id: one.id, crossing: one, clearedAtMs: Date.now() });
    }
    await eventually(async () => expect((await box.coordinator.getIncident({ id })).state).toBe("resolved"));
    await eventually(async () => expect((await weights()).has(id)).toBe(true));
    return id;
  };
  const first = await play(() => world.puppet.running[0]?.succeed(), "useless");
  const second = await play(() => world.puppet.running[0]?.succeed(), "useless");
  await eventually(async () => expect((await weights()).get(first)).toBeCloseTo(0.6));
  await play(repair, "helped");
  await eventually(async () => {
    const after = await weights();
    expect(after.get(first)).toBeCloseTo(0.3);
    expect(after.get(second)).toBeCloseTo(0.25);
  });
});

// It had never been done: nothing showed that it was of no use, nobody was called, and its case said that nothing was tried.
it("calls somebody when a repair fails, remembers it, and closes its entry in the ledger", async () => {
  const call = { name: "call", when: "tried.useless > 0 && !incident.isAcknowledged", skill: "safe" };
  const box = await open({ policy: [RULE, call] });
  const id = await fault(box);
  await begun();
  world.puppet.running[0]?.fail(false);
  await eventually(async () =>
    expect((await box.coordinator.getIncident({ id })).actions).toMatchObject([
      { rule: "repair", state: "failed" },
      { rule: "call", state: "acting" },
    ]),
  );
  await eventually(async () => {
    expect((await box.state.cases({})).cases).toMatchObject([
      { action: { skill: "once", target: "stock-host" }, helped: null },
    ]);
    const { entries } = await box.energy.ledger({});
    expect(entries.find(({ skill }) => skill === "once")?.settledAtMs).toBeGreaterThan(0);
  });
  expect((await box.cognitive.calibration({})).outcomes).toBe(0);
});
