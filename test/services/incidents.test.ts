import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Crossing } from "#contracts/ml.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { type Box, type BoxOptions, openBox } from "./organism-in-a-box.ts";
import { createPuppet } from "./puppet-organism.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { eventually } from "./eventually.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let boxes: Box[];

beforeEach(async () => {
  place = await temporaryPlace();
  boxes = [];
});

afterEach(async () => {
  for (const box of boxes) await box.close();
  await place.remove();
});

async function open(options: Omit<BoxOptions, "place"> = {}): Promise<Box> {
  const box = await openBox({ place, ...options });
  boxes.push(box);
  return box;
}

function crossing(series: string, startedAtMs: number, distance = 5): { id: string; crossing: Crossing } {
  const id = `host/${series}@${startedAtMs}`;
  const value = 10 + distance;
  const body = {
    id,
    source: "host",
    series,
    startedAtMs,
    value,
    expected: 10,
    spread: 1,
    score: 1,
    direction: "up",
  } as const;
  return { id, crossing: body };
}

const kinds = async (box: Box, id: string) => (await box.coordinator.getIncident({ id })).story.map(({ kind }) => kind);

describe("a crossing", () => {
  it("becomes an incident that is decided, acted on, told and remembered", async () => {
    const box = await open();
    const { incidentId } = await box.coordinator.reportCrossing(crossing("cpu", Date.now()));
    const id = incidentId ?? "";
    const shown = await box.coordinator.getIncident({ id });
    expect(shown).toMatchObject({
      state: "open",
      title: "host/cpu moved up",
      severity: "low",
      decision: { rule: "tell" },
    });
    await eventually(async () => expect(await kinds(box, id)).toEqual(["noticed", "decided", "acted", "outcome"]));
    const [task] = (await box.coordinator.getIncident({ id })).tasks;
    expect(task).toMatchObject({ type: "notify", state: "succeeded", incidentId: id, id: shown.decision?.taskId });
    const told = box.log.lines.find(({ fields }) => fields["notification"] === true);
    expect(told?.message).toBe(`low incident ${id}: host/cpu moved up`);
    const memory = await eventually(() => box.state.memory({ id }));
    expect(memory.data).toMatchObject({ decision: { rule: "tell" }, series: ["host/cpu"] });
    expect(memory.data["outcome"]).toContain("The effect is confirmed.");
    expect((await box.coordinator.status({})).decisionP50Ms).toBeGreaterThan(0);
  });

  // The outbox delivers at least once: a crossing that comes again must not open or act again.
  it("that is reported again, also to a new owner, changes nothing", async () => {
    const box = await open({ replicaId: "core/0@1" });
    const report = crossing("cpu", Date.now());
    const first = await box.coordinator.reportCrossing(report);
    const [second, third] = await Promise.all([
      box.coordinator.reportCrossing(report),
      box.coordinator.reportCrossing(report),
    ]);
    await eventually(async () => expect(await kinds(box, first.incidentId ?? "")).toHaveLength(4));
    box.crash();
    const next = await open({ replicaId: "core/0@2" });
    const fourth = await next.coordinator.reportCrossing(report);
    expect(new Set([first, second, third, fourth].map(({ incidentId }) => incidentId)).size).toBe(1);
    expect((await next.coordinator.listIncidents({})).total).toBe(1);
    expect((await next.coordinator.listTasks({})).total).toBe(1);
  });

  it("whose write failed half-way is one incident all the same, and acted on once", async () => {
    let doubtful: RegExp | undefined;
    const box = await open({
      afterWrite: (sql) => {
        if (doubtful?.test(sql) !== true) return;
        doubtful = undefined;
        throw new Error("The answer was lost.");
      },
    });
    const report = crossing("cpu", Date.now());
    doubtful = /insert into "coordinator_incidents"/;
    await expect(box.coordinator.reportCrossing(report)).rejects.toThrow();
    const joined = await box.coordinator.reportCrossing(crossing("load", Date.now()));
    expect(await box.coordinator.reportCrossing(report)).toEqual(joined);
    const { decision } = await box.coordinator.getIncident({ id: joined.incidentId ?? "" });
    await box.coordinator.getTask({ id: decision?.taskId ?? "", waitMs: 5_000 });
    expect((await box.coordinator.listIncidents({})).total).toBe(1);
    expect((await box.coordinator.listTasks({})).total).toBe(1);
  });

  it("joins what moved shortly before, decides again when it has become worse, and counts every series once", async () => {
    const rule = (name: string, severity: "low" | "medium" | "high") => ({
      name,
      when: `incident.severity == "${severity}"`,
      skill: "notify",
      params: { channel: "log", message: `${name} {incident.series}` },
    });
    const box = await open({ coordinator: { policy: [rule("calm", "low"), rule("alarm", "high")] } });
    const now = Date.now();
    const { incidentId } = await box.coordinator.reportCrossing(crossing("cpu", now));
    for (const report of [crossing("load", now + 500), crossing("cpu", now + 900), crossing("disk", now + 1_000, 50)]) {
      expect((await box.coordinator.reportCrossing(report)).incidentId).toBe(incidentId);
    }
    const incident = await box.coordinator.getIncident({ id: incidentId ?? "" });
    expect(incident).toMatchObject({
      severity: "high",
      series: ["host/cpu", "host/load", "host/disk"],
      title: "host/cpu moved up and 2 more",
      decision: { rule: "alarm" },
    });
    expect(incident.crossings).toHaveLength(4);
    await eventually(() =>
      expect(box.log.lines.filter(({ fields }) => fields["notification"]).map(({ message }) => message)).toEqual([
        "calm host/cpu",
        "alarm host/cpu, host/load, host/disk",
      ]),
    );
  });

  it("whose rule names a skill that does not exist leaves an incident that says so", async () => {
    const policy = [{ name: "typo", skill: "notifi" }];
    const box = await open({ coordinator: { policy, modes: [{ mode: "act" }] } });
    const { incidentId } = await box.coordinator.reportCrossing(crossing("cpu", Date.now()));
    await eventually(async () => {
      const { story } = await box.coordinator.getIncident({ id: incidentId ?? "" });
      expect(story.map(({ text }) => text)).toContainEqual(expect.stringContaining('there is no skill "notifi"'));
    });
  });

  it("under another id in the address than in the body is refused", async () => {
    const box = await open();
    const { crossing: body } = crossing("cpu", 1);
    await expect(box.coordinator.reportCrossing({ id: "other", crossing: body })).rejects.toMatchObject({
      code: "INVALID_INPUT",
    });
  });
});

describe("a silence", () => {
  const silence = (box: Box, clock: { now(): number }, forMs: number) =>
    box.coordinator.addSilence({ series: "host/*", toMs: clock.now() + forMs });
  const incidents = async (box: Box) => (await box.coordinator.listIncidents({})).incidents;
  const QUIET = { coordinator: { incidents: { quietMs: 600_000 } } };

  // A backup that outlasted its silence opened none while it went on, and one at the all-clear, about which people were called.
  it("that is outlasted opens an incident at its end, also for a new owner; the all-clear opens none", async () => {
    const clock = createFakeClock();
    const box = await open({ clock, ...QUIET, replicaId: "core/0@1" });
    await silence(box, clock, 60_000);
    const [burning, over] = [crossing("cpu", clock.now()), crossing("disk", clock.now())];
    for (const report of [burning, over, burning]) {
      expect(await box.coordinator.reportCrossing(report)).toEqual({ incidentId: null });
    }
    await clock.advance(30_000);
    expect(await box.coordinator.reportCrossing({ ...over, clearedAtMs: clock.now() })).toEqual({ incidentId: null });
    box.crash();
    const next = await open({ clock, ...QUIET, replicaId: "core/0@2" });
    await clock.advance(29_000);
    expect(await incidents(next)).toEqual([]);
    await clock.advance(1_000);
    const [incident] = await eventually(async () => {
      // The new owner may have begun to wait after the clock had gone on.
      await clock.advance(1);
      const found = await incidents(next);
      expect(found).toMatchObject([{ series: ["host/cpu"], decision: { rule: "tell" } }]);
      return found;
    });
    const cleared = { ...burning, clearedAtMs: clock.now() };
    expect(await next.coordinator.reportCrossing(cleared)).toEqual({ incidentId: incident?.id });
    expect(await kinds(next, incident?.id ?? "")).toContain("quiet");
    // What nobody ever heard of is no trouble any more when it is over.
    const unheard = { ...crossing("load", clock.now()), clearedAtMs: clock.now() };
    expect(await next.coordinator.reportCrossing(unheard)).toEqual({ incidentId: null });
    expect(await incidents(next)).toHaveLength(1);
  });

  it("that is ended by hand, or whose write was not heard of, opens what still burns, once another does not cover it", async () => {
    let isLost = true;
    const clock = createFakeClock();
    const box = await open({
      clock,
      ...QUIET,
      afterWrite: (sql) => {
        if (!isLost || !sql.includes('into "coordinator_crossings"')) return;
        isLost = false;
        throw new Error("The answer was lost.");
      },
    });
    const [short, long] = [await silence(box, clock, 30_000), await silence(box, clock, 3_600_000)];
    const report = crossing("cpu", clock.now());
    await expect(box.coordinator.reportCrossing(report)).rejects.toThrow();
    expect(await box.coordinator.reportCrossing(report)).toEqual({ incidentId: null });
    await clock.advance(31_000);
    await box.coordinator.removeSilence({ id: short.id });
    expect(await incidents(box)).toEqual([]);
    await box.coordinator.removeSilence({ id: long.id });
    expect(await incidents(box)).toMatchObject([{ series: ["host/cpu"] }]);
  });
});

// Nobody took note that it had cleared: it opened an incident when the silence was over.
it("opens none for what has cleared under a silence, also when the answer of that write was lost", async () => {
  const clock = createFakeClock();
  let isLost = true;
  const box = await open({
    clock,
    afterWrite: (sql) => {
      if (!isLost || !sql.includes('update "coordinator_crossings"')) return;
      isLost = false;
      throw new Error("The answer was lost.");
    },
  });
  const { id } = await box.coordinator.addSilence({ series: "host/*", toMs: clock.now() + 60_000 });
  const report = crossing("cpu", clock.now());
  await box.coordinator.reportCrossing(report);
  const cleared = { ...report, clearedAtMs: clock.now() };
  await expect(box.coordinator.reportCrossing(cleared)).rejects.toThrow();
  await box.coordinator.reportCrossing(cleared);
  await box.coordinator.removeSilence({ id });
  expect((await box.coordinator.listIncidents({})).total).toBe(0);
});

describe("the end of an incident", () => {
  it("comes when its series have cleared and been quiet, not before, and survives a new owner", async () => {
    const clock = createFakeClock();
    const quiet = { incidents: { quietMs: 10_000, holdMs: 30_000 } };
    const box = await open({ clock, coordinator: quiet, replicaId: "core/0@1" });
    const report = crossing("cpu", clock.now());
    const { incidentId } = await box.coordinator.reportCrossing(report);
    const id = incidentId ?? "";
    await clock.advance(15_000);
    expect((await box.coordinator.getIncident({ id })).state).toBe("open");
    await box.coordinator.reportCrossing({ ...report, clearedAtMs: clock.now() });
    await clock.advance(9_000);
    expect((await box.coordinator.getIncident({ id })).state).toBe("open");
    box.crash();
    const next = await open({ clock, coordinator: quiet, replicaId: "core/0@2" });
    await clock.advance(1_000);
    const over = await eventually(async () => {
      const incident = await next.coordinator.getIncident({ id });
      expect(incident.state).toBe("resolved");
      return incident;
    });
    expect(over.resolvedAtMs).toBe(clock.now());
    expect(over.story.map(({ kind }) => kind)).toContain("quiet");
    expect(over.story.at(-1)?.kind).toBe("resolved");
    const fresh = await next.coordinator.reportCrossing(crossing("cpu", clock.now()));
    expect(fresh.incidentId).not.toBe(id);
  });

  it("comes although nobody said that it cleared, after a longer time", async () => {
    const clock = createFakeClock();
    const box = await open({ clock, coordinator: { incidents: { quietMs: 10_000, holdMs: 30_000 } } });
    const { incidentId } = await box.coordinator.reportCrossing(crossing("cpu", clock.now()));
    await clock.advance(30_000);
    await eventually(async () =>
      expect((await box.coordinator.getIncident({ id: incidentId ?? "" })).state).toBe("resolved"),
    );
  });
});

// Nobody knew of it before something else moved, and then nobody was to look at it again: it was open for ever.
it("thinks about an incident, and ends it, also when the answer of its first write was lost", async () => {
  const clock = createFakeClock();
  let isLost = true;
  const box = await open({
    clock,
    coordinator: { incidents: { quietMs: 10_000, holdMs: 30_000 } },
    afterWrite: (sql) => {
      if (!isLost || !sql.includes('insert into "coordinator_incidents"')) return;
      isLost = false;
      throw new Error("The answer was lost.");
    },
  });
  await expect(box.coordinator.reportCrossing(crossing("cpu", clock.now()))).rejects.toThrow();
  const [incident] = (await box.coordinator.listIncidents({})).incidents;
  const shown = () => box.coordinator.getIncident({ id: incident?.id ?? "" });
  await clock.advance(6_000);
  await eventually(async () => expect((await shown()).diagnosis).not.toBeNull());
  await clock.advance(31_000);
  await eventually(async () => expect((await shown()).state).toBe("resolved"));
});

describe("changes", () => {
  it("are shown with incidents nearby in time, before and after, once each", async () => {
    const box = await open();
    const now = Date.now();
    await box.coordinator.reportChange({ id: "old", kind: "deploy", summary: "too long ago", atMs: now - 3_600_000 });
    const deploy = { id: "d1", kind: "deploy", target: "core", summary: "version 2", atMs: now - 60_000 };
    expect(await box.coordinator.reportChange(deploy)).toEqual({ id: "d1" });
    expect(await box.coordinator.reportChange(deploy)).toEqual({ id: "d1" });
    const { incidentId } = await box.coordinator.reportCrossing(crossing("cpu", now));
    const { id } = await box.coordinator.reportChange({ kind: "note", summary: "rolled back" });
    const incident = await box.coordinator.getIncident({ id: incidentId ?? "" });
    expect(incident.changes.map((change) => change.id)).toEqual(["d1", id]);
    expect(incident.story.filter(({ kind }) => kind === "change")).toHaveLength(2);
  });

  it("are not shown with incidents of a past that was replayed; what was done about one is, whenever that was", async () => {
    const puppet = createPuppet();
    const policy = [{ name: "act", when: 'incident.series.exists(s, s == "host/cpu")', skill: "once" }];
    const box = await open({ coordinator: { policy, modes: [{ mode: "act" }] }, organismService: puppet.service });
    const lastWeekMs = Date.now() - 7 * 86_400_000;
    const other = await box.coordinator.reportCrossing(crossing("disk", lastWeekMs - 86_400_000));
    const acted = await box.coordinator.reportCrossing(crossing("cpu", lastWeekMs));
    const id = acted.incidentId ?? "";
    await eventually(() => expect(puppet.running).toHaveLength(1));
    puppet.running[0]?.succeed("done", { kind: "restart", target: "ml", summary: "Host ml was restarted." });
    await eventually(async () => expect(await kinds(box, id)).toContain("outcome"));
    await box.coordinator.reportChange({ kind: "deploy", summary: "today's" });
    const summaries = async (of: string) =>
      (await box.coordinator.getIncident({ id: of })).changes.map(({ summary }) => summary);
    expect(await summaries(id)).toEqual(["Host ml was restarted."]);
    expect(await summaries(other.incidentId ?? "")).toEqual([]);
  });
});

it("shows watchers what is open, then every change, and recalls what was alike", async () => {
  const box = await open();
  const first = await box.coordinator.reportCrossing(crossing("cpu", Date.now() - 86_400_000));
  await eventually(async () => expect((await box.state.cases({})).total).toBe(1));
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const incident of box.coordinator.watchIncidents({}, { signal: stop.signal })) seen.push(incident.id);
  })().catch(() => {});
  await eventually(() => expect(seen).toEqual([first.incidentId]));
  const second = await box.coordinator.reportCrossing(crossing("cpu", Date.now()));
  await eventually(() => expect(seen).toContain(second.incidentId));
  await eventually(async () => expect(await kinds(box, second.incidentId ?? "")).toContain("recalled"));
  stop.abort();
  await watching;
  const { total } = await box.coordinator.listIncidents({ sinceMs: Date.now() - 3_600_000, state: "open" });
  expect(total).toBe(1);
  expect(await box.coordinator.getIncident.try({ id: "none" })).toMatchObject({ error: { code: "UNKNOWN_INCIDENT" } });
  expect((await box.coordinator.policy({})).rules.map(({ name }) => name)).toEqual([
    "roll back",
    "restart",
    "escalate",
    "tell",
  ]);
});
