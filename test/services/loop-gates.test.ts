/** What stands between a decision and its action: persons, modes, maintenance, limits. */
import { describe, expect, it } from "vitest";
import { actionOf, begun, crossing, fault, open, QUICK, repair, RULE, SKILL, until, world } from "./loop-world.ts";
import type { Box } from "./organism-in-a-box.ts";
import { eventually } from "./eventually.ts";

describe("a proposal", () => {
  it("waits for a person, is done once, and no second time", async () => {
    const box = await open({ modes: [] });
    const id = await fault(box);
    await until(box, id, "proposed");
    expect(world.puppet.begun).toHaveLength(0);
    const proposed = await actionOf(box, id);
    const decide = (approve: boolean) => box.coordinator.decideAction.try({ id: proposed?.id ?? "", approve });
    expect(await decide(true)).toMatchObject({ ok: true, value: { state: "acting" } });
    await begun();
    // The answer was lost and the call repeated: it is the same approval.
    expect(await decide(true)).toMatchObject({ ok: true });
    expect(await decide(false)).toMatchObject({ ok: false, error: { code: "NOT_PROPOSED" } });
    expect(world.puppet.begun).toHaveLength(1);
    repair();
    await until(box, id, "helped");
  });

  // Only other actions held an approval back: a restart in the midst of the maintenance that was to be left alone.
  it("is not done during maintenance, nor after the mode has become observe, whoever approves", async () => {
    const box = await open({ modes: [] }, { replicaId: "core/0@1" });
    const id = await fault(box);
    await until(box, id, "proposed");
    const { id: actionId = "" } = (await actionOf(box, id)) ?? {};
    const toMs = Date.now() + 60_000;
    const { id: maintenanceId } = await box.coordinator.addMaintenance({ target: "stock-*", toMs });
    const approve = ({ coordinator }: Box) => coordinator.decideAction({ id: actionId, approve: true });
    await expect(approve(box)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(new Date(toMs).toISOString()),
    });
    await box.coordinator.removeMaintenance({ id: maintenanceId });
    const observing = await open({ modes: [{ mode: "observe" }] }, { replicaId: "core/0@2" });
    await expect(approve(observing)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("observe"),
    });
    expect(await actionOf(observing, id)).toMatchObject({ state: "proposed" });
    expect(world.puppet.begun).toHaveLength(0);
  });

  it("that comes too late changes nothing", async () => {
    const box = await open({ modes: [], approvals: { expireMs: 1 } });
    const id = await fault(box);
    await eventually(async () => expect(["proposed", "expired"]).toContain((await actionOf(box, id))?.state));
    const { id: actionId = "" } = (await actionOf(box, id)) ?? {};
    expect(await box.coordinator.decideAction.try({ id: actionId, approve: true })).toMatchObject({
      ok: false,
      error: { code: "NOT_PROPOSED" },
    });
    expect(world.puppet.begun).toHaveLength(0);
  });
});

// Nobody heard of it, and it was never made again, though the fault burned on.
it("a proposal that nobody decides on is made once more, and whoever the policy names is told", async () => {
  const call = { name: "call", when: "asked.expired > 0", skill: "safe" };
  const skills = [
    { ...SKILL, name: "once" },
    { ...SKILL, name: "safe", risk: "none" as const, idempotent: true },
  ];
  const organismService = {
    ...world.puppet.service,
    handlers: { ...world.puppet.service.handlers, skills: async () => ({ skills }) },
  };
  const box = await open({ policy: [RULE, call], modes: [], approvals: { expireMs: 1_000 } }, { organismService });
  const id = await fault(box);
  const ofRule = async (rule: string) =>
    (await box.coordinator.getIncident({ id })).actions.filter((one) => one.rule === rule).map(({ state }) => state);
  await eventually(async () => expect(await ofRule("repair")).toEqual(["expired", "expired"]));
  await begun();
  expect(await ofRule("call")).toEqual(["acting"]);
  const { story } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ kind }) => kind === "expired")).toHaveLength(2);
  // It has been thought about since: it is not asked for a third time.
  const before = world.looks;
  await eventually(() => expect(world.looks).toBeGreaterThan(before + 1));
  expect(await ofRule("repair")).toHaveLength(2);
});

describe("what keeps it from acting", () => {
  it("is a mode, and maintenance: what would have been done is written down", async () => {
    const watching = await open({ modes: [{ mode: "observe" }] });
    await until(watching, await fault(watching), "observed");
    expect((await watching.coordinator.listActions({ state: "observed" })).total).toBe(1);
    expect(world.puppet.begun).toHaveLength(0);
  });

  // Every rule that was true would have been done, by the report; in the mode act the first is, and the others wait.
  it.each([
    ["what would be under way", { ...QUICK, withinMs: 60_000 }, 3, "would be under way (act_"],
    ["what would have been done within the hour", { ...QUICK, withinMs: 100 }, 1, "1 actions on stock-host"],
  ])("is %s, in the mode observe", async (_what, effects, perTargetPerHour, reason) => {
    const policy = ["first", "second", "third"].map((name) => ({ ...RULE, name }));
    const box = await open({ policy, modes: [{ mode: "observe" }], effects, blastRadius: { perTargetPerHour } });
    const id = await fault(box);
    await eventually(async () =>
      expect((await box.coordinator.getIncident({ id })).actions).toMatchObject([
        { rule: "first", state: "observed" },
        { rule: "second", state: "held", reason: expect.stringContaining(reason) },
        { rule: "third", state: "held" },
      ]),
    );
  });

  it("is maintenance of the host, until it is over", async () => {
    const box = await open();
    await box.coordinator.addMaintenance({ target: "stock-*", toMs: Date.now() + 60_000, reason: "release" });
    const id = await fault(box);
    await until(box, id, "observed");
    expect((await actionOf(box, id))?.reason).toContain("maintenance");
    expect(world.puppet.begun).toHaveLength(0);
  });
});

// It was scaled back in the midst of the maintenance in which nothing was to be done to it.
it("what did not help is taken back when the maintenance of its host is over", async () => {
  const box = await open();
  const id = await fault(box);
  await begun();
  const { id: maintenance } = await box.coordinator.addMaintenance({ target: "stock-*", toMs: Date.now() + 60_000 });
  world.puppet.running[0]?.succeed("done", null, { skill: "safe", params: {} });
  await until(box, id, "undoing");
  expect(await actionOf(box, id)).toMatchObject({ undoTaskId: null, reason: expect.stringContaining(maintenance) });
  expect(world.puppet.begun).toHaveLength(1);
  await box.coordinator.removeMaintenance({ id: maintenance });
  await begun();
  world.puppet.running[0]?.succeed();
  await until(box, id, "undone");
});

describe("what was held back", () => {
  // Two repairs at once, or one that undoes the other: nobody could tell what helped.
  it("is the other of two opposite actions on one target that two incidents ask for, and says why", async () => {
    const on = (service: string, skill: string) => ({
      name: skill,
      when: `incident.series.exists(s, s == "services/${service}/latency")`,
      skill,
      target: "stock-host",
    });
    const box = await open({
      policy: [on("stock", "once"), on("front", "safe")],
      incidents: { quietMs: 60_000, correlationMs: 10 },
      effects: { ...QUICK, withinMs: 60_000 },
    });
    const now = Date.now();
    const first = (await box.coordinator.reportCrossing(crossing("stock", now))).incidentId ?? "";
    const second = (await box.coordinator.reportCrossing(crossing("front", now + 1_000))).incidentId ?? "";
    expect(second).not.toBe(first);
    await until(box, second, "held");
    await until(box, first, "acting");
    const { id: actionId } = (await actionOf(box, first)) ?? {};
    expect((await actionOf(box, second))?.reason).toBe(`once of it is under way (${actionId}).`);
    expect((await box.coordinator.getIncident({ id: second })).story).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining("safe of stock-host is held back") }),
    );
    world.latency = 120;
    world.puppet.running[0]?.succeed();
    // It is looked after: the other still waits.
    await until(box, first, "checking");
    await box.coordinator.reportCrossing(crossing("front", now + 1_005));
    await until(box, second, "held");
    expect(world.puppet.begun).toHaveLength(1);
  });

  // It was begun as it had been decided, whatever the mode and the maintenance had become since.
  it("is decided anew when its turn has come", async () => {
    const box = await open({ incidents: { quietMs: 60_000, correlationMs: 10 } });
    const now = Date.now();
    const first = await box.coordinator.reportCrossing(crossing("stock", now));
    await begun();
    const second = (await box.coordinator.reportCrossing(crossing("front", now + 1_000))).incidentId ?? "";
    expect(second).not.toBe(first.incidentId);
    await until(box, second, "held");
    await box.coordinator.addMaintenance({ target: "stock-*", toMs: Date.now() + 60_000 });
    world.latency = 4;
    world.puppet.running[0]?.succeed();
    await until(box, first.incidentId ?? "", "helped");
    await until(box, second, "observed");
    expect(world.puppet.begun).toHaveLength(1);
  });
});

describe("a task of an action", () => {
  // Whoever may operate restarted what only an approval, a mode and no maintenance could have restarted.
  it("is not given new attempts: that would pass by all that gates it", async () => {
    const box = await open();
    const id = await fault(box);
    await begun();
    world.puppet.running[0]?.fail(false);
    await until(box, id, "failed");
    const { taskId } = (await actionOf(box, id)) ?? {};
    await expect(box.coordinator.retryTask({ id: taskId ?? "" })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("task of its own"),
    });
    expect(world.puppet.begun).toHaveLength(1);
  });

  it("is, when it has no risk: telling somebody may be tried again", async () => {
    const skills = { skills: [{ ...SKILL, name: "safe", risk: "none", idempotent: true }] };
    const { service } = world.puppet;
    const organismService = { ...service, handlers: { ...service.handlers, skills: async () => skills } };
    const box = await open({ policy: [{ name: "tell", skill: "safe" }] }, { organismService });
    const id = (await box.coordinator.reportCrossing(crossing("stock", Date.now()))).incidentId ?? "";
    await begun();
    world.puppet.running[0]?.fail(false);
    await until(box, id, "failed");
    const { taskId } = (await actionOf(box, id)) ?? {};
    expect(await box.coordinator.retryTask({ id: taskId ?? "" })).toMatchObject({ state: "queued" });
    await begun();
  });
});
