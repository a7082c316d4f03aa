/** The loop closed: cause, decision, action, effect, memory. What telemetry and ml would tell is told by the test. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CallGraph } from "#contracts/cognitive.ts";
import type { Action } from "#contracts/coordinator.ts";
import { type Crossing, ml } from "#contracts/ml.ts";
import { telemetry } from "#contracts/telemetry.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { type Box, type BoxOptions, openBox } from "./organism-in-a-box.ts";
import { createPuppet, type Puppet } from "./puppet-organism.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let boxes: Box[];
let world: World;

interface World {
  /** Milliseconds that stock takes by itself now. */
  stockMs: number;
  /** Values that its latency has had since it was last asked. */
  latency: number;
  readonly puppet: Puppet;
}

beforeEach(async () => {
  place = await temporaryPlace();
  boxes = [];
  world = { stockMs: 120, latency: 120, puppet: createPuppet() };
});

afterEach(async () => {
  for (const box of boxes) await box.close();
  await place.remove();
});

/** front calls stock. */
function graph(): CallGraph {
  const figures = (selfLatencyMs: number, latencyMs: number) => ({
    requestsPerS: 20,
    errorsPerS: 0,
    latencyMs,
    selfErrorsPerS: 0,
    selfLatencyMs,
    memoryMb: 100,
  });
  const edge = (latencyMs: number) => ({ callsPerS: 20, errorsPerS: 0, latencyMs });
  const replicas = { ready: 1, wanted: 1 };
  return {
    services: [
      {
        service: "front",
        host: "front-host",
        isOwn: true,
        replicas,
        before: figures(3, 7),
        now: figures(3, 3 + world.stockMs),
      },
      {
        service: "stock",
        host: "stock-host",
        isOwn: true,
        replicas,
        before: figures(4, 4),
        now: figures(world.stockMs, world.stockMs),
      },
    ],
    edges: [{ from: "front", to: "stock", before: edge(4), now: edge(world.stockMs) }],
    beforeMs: [0, 1],
    nowMs: [1, 2],
  };
}

const watchers = (): Service[] => [
  implement(telemetry, { callGraph: async () => graph() } as never),
  implement(ml, {
    points: async () => ({ points: Array.from({ length: 10 }, (_, i) => [Date.now() + i, world.latency, 0]) }),
  } as never),
];

const RULE = {
  name: "repair",
  when: 'cause.isOwn && cause.kind == "latency" && cause.confidence >= 0.7',
  skill: "once",
  target: "{cause.host}",
};
const SKILL = {
  name: "once",
  summary: "",
  risk: "high",
  idempotent: false,
  timeoutMs: 1_000,
  params: {},
  effectCheck: "",
  remedies: [],
  targetParam: null,
  canUndo: false,
} as const;
const QUICK = { settleMs: 0, withinMs: 1_500, points: 3, spreads: 4 };

async function open(coordinator: object = {}, options: Partial<BoxOptions> = {}): Promise<Box> {
  const config = {
    policy: [RULE],
    modes: [{ mode: "act" }],
    effects: QUICK,
    incidents: { quietMs: 500 },
    ...coordinator,
  };
  const box = await openBox({
    place,
    coordinator: config,
    organismService: world.puppet.service,
    more: watchers(),
    ...options,
  });
  boxes.push(box);
  return box;
}

function crossing(service: string, startedAtMs: number): { id: string; crossing: Crossing } {
  const series = `${service}/latency`;
  const id = `services/${series}@${startedAtMs}`;
  const body = { id, source: "services", series, startedAtMs, value: 120, expected: 4, spread: 0.5, score: 1 } as const;
  return { id, crossing: { ...body, direction: "up" } };
}

async function fault(box: Box): Promise<string> {
  const now = Date.now();
  const { incidentId } = await box.coordinator.reportCrossing(crossing("front", now));
  await box.coordinator.reportCrossing(crossing("stock", now + 1));
  return incidentId ?? "";
}

const actionOf = async (box: Box, id: string): Promise<Action | undefined> =>
  (await box.coordinator.getIncident({ id })).actions.at(-1);

const until = (box: Box, id: string, state: Action["state"]) =>
  vi.waitFor(async () => expect(await actionOf(box, id)).toMatchObject({ state }), { timeout: 10_000 });

const begun = () => vi.waitFor(() => expect(world.puppet.running).toHaveLength(1), { timeout: 5_000 });

/** What was done took effect. */
function repair(undo: { skill: string; params: Record<string, never> } | null = null): void {
  world.stockMs = 4;
  world.latency = 4;
  world.puppet.running[0]?.succeed(
    "done",
    { kind: "restart", target: "stock-host", summary: "It was restarted." },
    undo,
  );
}

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
    repair();
    await until(box, id, "helped");
    const incident = await box.coordinator.getIncident({ id });
    // What it found stays, although nothing shows any more.
    expect(incident.cause).toMatchObject({ service: "stock", kind: "latency" });
    expect(incident.story.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(["noticed", "diagnosed", "decided", "acted", "outcome", "change"]),
    );
    await vi.waitFor(async () => {
      const { cases } = await box.state.cases({});
      expect(cases[0]).toMatchObject({ helped: true, action: { target: "stock-host" }, cause: { service: "stock" } });
      expect((await box.cognitive.calibration({})).outcomes).toBe(1);
      const { entries } = await box.energy.ledger({});
      expect(entries[0]?.measuredDeltaE).toBeLessThan(0);
      expect((await actionOf(box, id))?.measuredDeltaE).toBeLessThan(0);
    });
  });

  it("that what was done did not help is taken back, and what spoke for it is believed less", async () => {
    const box = await open();
    const id = await fault(box);
    await begun();
    world.puppet.running[0]?.succeed("done", null, { skill: "safe", params: {} });
    await vi.waitFor(() => expect(world.puppet.running).toHaveLength(1), { timeout: 8_000 });
    await until(box, id, "undoing");
    world.puppet.running[0]?.succeed();
    await until(box, id, "undone");
    await vi.waitFor(async () => expect((await box.state.cases({})).cases[0]).toMatchObject({ helped: false }));
    // The rule has been followed: it is not tried again and again.
    expect(world.puppet.begun).toHaveLength(2);
  });
});

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

  it("that comes too late changes nothing", async () => {
    const box = await open({ modes: [], approvals: { expireMs: 1 } });
    const id = await fault(box);
    await vi.waitFor(async () => expect(["proposed", "expired"]).toContain((await actionOf(box, id))?.state));
    const { id: actionId = "" } = (await actionOf(box, id)) ?? {};
    expect(await box.coordinator.decideAction.try({ id: actionId, approve: true })).toMatchObject({
      ok: false,
      error: { code: "NOT_PROPOSED" },
    });
    expect(world.puppet.begun).toHaveLength(0);
  });
});

describe("what keeps it from acting", () => {
  it("is a mode, and maintenance: what would have been done is written down", async () => {
    const watching = await open({ modes: [{ mode: "observe" }] });
    await until(watching, await fault(watching), "observed");
    expect((await watching.coordinator.listActions({ state: "observed" })).total).toBe(1);
    expect(world.puppet.begun).toHaveLength(0);
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

// Nobody knows whether it was restarted: doing it again blindly could be the second time.
it("does not repeat what was under way when its process died: a person says what became of it", async () => {
  const box = await open({}, { replicaId: "core/0@1" });
  const id = await fault(box);
  await begun();
  box.crash();
  const next = await open({}, { replicaId: "core/0@2" });
  await until(next, id, "unknown");
  const { id: actionId = "" } = (await actionOf(next, id)) ?? {};
  expect(world.puppet.begun).toHaveLength(1);
  const settled = await next.coordinator.settleAction({ id: actionId, outcome: "helped" });
  expect(settled.state).toBe("helped");
});

it("goes on with the look at whether it helped after its process died", async () => {
  const box = await open({ effects: { ...QUICK, settleMs: 1_500 } }, { replicaId: "core/0@1" });
  const id = await fault(box);
  await begun();
  repair();
  await until(box, id, "checking");
  box.crash();
  const next = await open({ effects: QUICK }, { replicaId: "core/0@2" });
  await until(next, id, "helped");
  expect(world.puppet.begun).toHaveLength(1);
});

it("opens no incident any more for what a person called none, and does again for what is worse", async () => {
  const box = await open({ policy: [{ name: "tell", skill: "safe" }] });
  const first = await box.coordinator.reportCrossing(crossing("stock", Date.now()));
  const labelled = await box.coordinator.labelIncident({ id: first.incidentId ?? "", label: "not-an-incident" });
  expect(labelled.label).toBe("not-an-incident");
  const again = crossing("stock", Date.now() + 10);
  expect((await box.coordinator.reportCrossing(again)).incidentId).toBeNull();
  const worse = crossing("stock", Date.now() + 20);
  const report = { ...worse, crossing: { ...worse.crossing, value: 400 } };
  expect((await box.coordinator.reportCrossing(report)).incidentId).not.toBeNull();
  await box.coordinator.labelIncident({ id: first.incidentId ?? "", label: "incident" });
  expect((await box.coordinator.reportCrossing(crossing("stock", Date.now() + 30))).incidentId).not.toBeNull();
});

it("tries a policy on past incidents without doing anything", async () => {
  const box = await open({ modes: [] });
  const id = await fault(box);
  await until(box, id, "proposed");
  const { decisions } = await box.coordinator.testPolicy({});
  expect(decisions[0]).toMatchObject({ incidentId: id, rule: "repair", mode: "propose", actual: "repair (proposed)" });
  const other = await box.coordinator.testPolicy({ rules: [{ name: "x", when: "cause.knid == 'a'", skill: "safe" }] });
  expect(other.problems[0]).toContain("knid");
  expect(world.puppet.begun).toHaveLength(0);
});

describe("what was held back", () => {
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

// The write had happened, its answer was lost: what was in memory still waited for a person, and began a second task.
it("does not begin a second time what was approved when the answer was lost", async () => {
  let isLost = false;
  const box = await open(
    { modes: [] },
    {
      afterWrite: (sql) => {
        if (!isLost || !sql.includes("actions")) return;
        isLost = false;
        throw new ServiceError("CONNECTION_LOST", "The answer of the database was lost.", { started: "maybe" });
      },
    },
  );
  const id = await fault(box);
  await until(box, id, "proposed");
  const { id: actionId = "" } = (await actionOf(box, id)) ?? {};
  isLost = true;
  await box.coordinator.decideAction({ id: actionId, approve: true }).catch(() => {});
  expect(isLost).toBe(false);
  await box.coordinator.decideAction.try({ id: actionId, approve: true });
  await begun();
  expect(world.puppet.begun).toHaveLength(1);
});

// It was passed over in silence: nobody learned why nothing was done.
it("tells of a rule that cannot be evaluated, once", async () => {
  const box = await open({ policy: [{ ...RULE, when: "system.cpu > 0.5" }] });
  const id = await fault(box);
  const passedOver = async () =>
    (await box.coordinator.getIncident({ id })).story.filter(({ text }) => text.includes("passed over"));
  await vi.waitFor(async () => expect(await passedOver()).toHaveLength(1));
  await box.coordinator.reportCrossing(crossing("front", Date.now() + 50));
  await vi.waitFor(async () => expect((await box.coordinator.getIncident({ id })).crossings).toHaveLength(3));
  expect(await passedOver()).toHaveLength(1);
});

// Its task failed each time, and nothing said so before an incident came.
it("passes over a rule whose skill does not exist, and says so before it is needed", async () => {
  const skills = { skills: [{ ...SKILL, name: "once" }] };
  const organism = {
    ...world.puppet.service,
    handlers: { ...world.puppet.service.handlers, skills: async () => skills },
  };
  const box = await open(
    { policy: [{ ...RULE, name: "typo", when: "cause.isOwn", skill: "onec" }, RULE] },
    { organismService: organism },
  );
  await vi.waitFor(async () =>
    expect((await box.coordinator.policy({})).problems).toEqual([
      'Rule "typo": there is no skill "onec"; there are once.',
    ]),
  );
  const id = await fault(box);
  await begun();
  const { story } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ text }) => text.includes("onec"))).toHaveLength(1);
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
  await vi.waitFor(async () => expect((await box.coordinator.silences({})).silences).toEqual([]), 10_000);
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
  await vi.waitFor(async () => expect((await box.coordinator.getIncident({ id })).crossings).toHaveLength(3));
  const { story, actions } = await box.coordinator.getIncident({ id });
  expect(story.filter(({ kind }) => kind === "acknowledged")).toHaveLength(1);
  expect(actions.map(({ rule }) => rule)).toEqual(["repair"]);
});
