/** What people say of incidents, and what they are told. */
import { describe, expect, it } from "vitest";
import { begun, crossing, fault, open, RULE, SKILL, until, world } from "./loop-world.ts";
import { eventually } from "./eventually.ts";

it("opens no incident any more for what a person called none, and does again for what is worse", async () => {
  const box = await open({ policy: [{ name: "tell", skill: "safe" }] });
  const first = await box.coordinator.reportCrossing(crossing("stock", Date.now()));
  const labelled = await box.coordinator.labelIncident({ id: first.incidentId ?? "", label: "not-an-incident" });
  expect(labelled.label).toBe("not-an-incident");
  const again = crossing("stock", Date.now() + 10);
  expect((await box.coordinator.reportCrossing(again)).incidentId).toBeNull();
  const worse = crossing("stock", Date.now() + 20);
  const report = { ...worse, crossing: { ...worse.crossing, value: 400 } };
  // Of its own: of the one that is none everybody has been told, and nothing would follow.
  const opened = (await box.coordinator.reportCrossing(report)).incidentId ?? "";
  expect(opened).not.toBe(first.incidentId);
  expect((await box.coordinator.getIncident({ id: opened })).actions).toMatchObject([{ rule: "tell" }]);
  await box.coordinator.labelIncident({ id: first.incidentId ?? "", label: "incident" });
  expect((await box.coordinator.reportCrossing(crossing("stock", Date.now() + 30))).incidentId).not.toBeNull();
});

// It went on to be thought about like any other: its host was restarted although a person had said that nothing was wrong.
it("does nothing more about what a person called no incident, until that is taken back", async () => {
  world.stockMs = 4;
  const box = await open({ incidents: { quietMs: 30_000 } });
  const id = await fault(box);
  await box.coordinator.labelIncident({ id, label: "not-an-incident" });
  world.stockMs = 120;
  const { looks } = world;
  await eventually(() => expect(world.looks).toBeGreaterThan(looks + 2));
  expect((await box.coordinator.getIncident({ id })).actions).toEqual([]);
  await box.coordinator.labelIncident({ id, label: "incident" });
  await begun();
});

// The last label overwrote the others: a small change taught after a large one made the series alarm at the large one again,
// and taking back one lesson forgot all.
it("tolerates the widest change that a person called none, whatever else was taught", async () => {
  const box = await open({ policy: [{ name: "tell", skill: "safe" }], incidents: { quietMs: 1, correlationMs: 1 } });
  const moved = (change: number, atMs: number) => {
    const report = crossing("stock", atMs);
    return { ...report, crossing: { ...report.crossing, value: report.crossing.expected + change } };
  };
  const now = Date.now();
  const incidentOf = async (change: number, atMs: number) =>
    (await box.coordinator.reportCrossing(moved(change, atMs))).incidentId;
  const [narrow, wide] = [await incidentOf(50, now - 60_000), await incidentOf(100, now - 30_000)];
  expect(wide).not.toBe(narrow);
  const label = (id: string | null, as: "incident" | "not-an-incident") =>
    box.coordinator.labelIncident({ id: id ?? "", label: as });
  await label(wide, "not-an-incident");
  await label(narrow, "not-an-incident");
  expect(await incidentOf(105, now)).toBeNull();
  await label(narrow, "incident");
  expect(await incidentOf(105, now + 10)).toBeNull();
  await label(narrow, "not-an-incident");
  await label(wide, "incident");
  expect(await incidentOf(52, now + 20)).toBeNull();
  expect(await incidentOf(105, now + 30)).not.toBeNull();
});

// A planned backup opened an incident each night; and one that is silenced for ever is a fault that nobody sees.
it("opens no incident for what is silenced, until that is over", async () => {
  const box = await open({ policy: [{ name: "tell", skill: "safe" }] });
  const add = (series: string, toMs: number) => box.coordinator.addSilence({ series, toMs, reason: "backup" });
  const silence = await add("services/stock/*", Date.now() + 60_000);
  expect((await box.coordinator.reportCrossing(crossing("stock", Date.now()))).incidentId).toBeNull();
  expect((await box.coordinator.reportCrossing(crossing("front", Date.now()))).incidentId).not.toBeNull();
  expect((await box.coordinator.silences({})).silences).toEqual([silence]);
  expect(await box.coordinator.removeSilence({ id: silence.id })).toEqual({ removed: true });
  expect((await box.coordinator.reportCrossing(crossing("stock", Date.now() + 10))).incidentId).not.toBeNull();
  await expect(add("*", Date.now() - 1)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  // Long enough that it begins before it ends, however slow the machine.
  await add("*", Date.now() + 1_500);
  await eventually(async () => expect((await box.coordinator.silences({})).silences).toEqual([]));
});

describe("whoever was told of an incident", () => {
  const skills = { skills: [{ ...SKILL, name: "safe", risk: "none", idempotent: true }] };
  const over = { skill: "safe", params: { isOver: true } };
  const tell = async () => {
    const organismService = {
      ...world.puppet.service,
      handlers: { ...world.puppet.service.handlers, skills: async () => skills },
    };
    const box = await open({ policy: [{ name: "tell", skill: "safe" }] }, { organismService });
    const report = crossing("stock", Date.now());
    const id = (await box.coordinator.reportCrossing(report)).incidentId ?? "";
    await begun();
    const end = () => box.coordinator.reportCrossing({ ...report, clearedAtMs: Date.now() });
    return { box, id, end };
  };
  const isToldOnce = async ({ box, id }: Awaited<ReturnType<typeof tell>>) => {
    const { tasks, state } = await box.coordinator.getIncident({ id });
    expect(state).toBe("resolved");
    expect(tasks.map(({ params }) => params)).toContainEqual({ isOver: true });
    world.puppet.running[0]?.succeed();
    await eventually(async () =>
      expect((await box.coordinator.getIncident({ id })).tasks.map((task) => task.state)).toEqual([
        "succeeded",
        "succeeded",
      ]),
    );
    expect(world.puppet.begun).toHaveLength(2);
  };

  // Who was told that something is wrong must not have to find out by himself that it is over.
  it("is told when it is over, once", async () => {
    const told = await tell();
    world.puppet.running[0]?.succeed("told", null, over);
    await until(told.box, told.id, "done");
    await told.end();
    await begun();
    await isToldOnce(told);
  });

  // A receiver that was down for a while hears of the incident after its end, and would believe in it for ever.
  it("is told that it is over also when the news came late", async () => {
    const told = await tell();
    await told.end();
    await eventually(async () =>
      expect((await told.box.coordinator.getIncident({ id: told.id })).state).toBe("resolved"),
    );
    world.puppet.running[0]?.succeed("told", null, over);
    await begun();
    await isToldOnce(told);
  });
});

it("knows who is at an incident, and calls nobody else then", async () => {
  const call = { name: "call", when: "tried.useless > 0 && !incident.isAcknowledged", skill: "safe" };
  const box = await open({ policy: [RULE, call] });
  const id = await fault(box);
  expect(await box.coordinator.acknowledgeIncident({ id })).toMatchObject({ id, acknowledgedBy: expect.any(String) });
  await box.coordinator.acknowledgeIncident({ id });
  expect(await box.coordinator.acknowledgeIncident.try({ id: "none" })).toMatchObject({
    error: { code: "UNKNOWN_INCIDENT" },
  });
  await begun();
  world.puppet.running[0]?.succeed();
  await until(box, id, "useless");
  await box.coordinator.reportCrossing(crossing("front", Date.now() + 50));
  await eventually(async () => expect((await box.coordinator.getIncident({ id })).crossings).toHaveLength(3));
  const { story, actions } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ kind }) => kind === "acknowledged")).toHaveLength(1);
  expect(actions.map(({ rule }) => rule)).toEqual(["repair"]);
});
