import type { CompiledQuery } from "kysely";
import { describe, expect, it } from "vitest";
import type { Mode } from "#contracts/action.ts";
import type { Execution } from "#contracts/organism.ts";
import { systemRandom } from "#core/random.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { isAnswer } from "./action.ts";
import { createActionStore } from "./action-store.ts";
import { createActions, type NewAction, OVER_TOPIC } from "./actions.ts";
import { heldBack } from "./blast-radius.ts";
import type { Tables } from "./schema.ts";
import type { TaskRecord } from "./task.ts";

const HOUR_MS = 3_600_000;
const crossing = { value: 120, expected: 4, spread: 0.5, direction: "up" } as const;
const execution = {
  organ: "o",
  agent: "a",
  skill: "restart-host",
  result: null,
  effect: { state: "confirmed", evidence: "seen" },
  change: null,
  undo: null,
  durationMs: 1,
} as const;

const decided: NewAction = {
  incidentId: "inc_1",
  rule: "restart",
  skill: "restart-host",
  target: "cart",
  params: {},
  mode: "act",
  state: "acting",
  reason: "",
  wouldBegin: false,
  cause: null,
  predictedDeltaE: null,
  measuredDeltaE: null,
  undoTaskId: null,
  checkedSeries: ["services/cart/latency"],
  decidedBy: null,
  expiresAtMs: null,
  actedAtMs: null,
  endedAtMs: null,
  risk: "high",
  undo: null,
  rawConfidence: null,
  recalled: [],
};

/** Actions over a database that keeps nothing, of incidents that are over, with a series that stays bad. */
function open() {
  const fake = createFakeClock();
  /** As on a machine: the monotonic clock counts in fractions, and not in step with the wall clock. */
  let driftMs = 0;
  const clock = { ...fake, monotonic: () => fake.monotonic() + driftMs };
  const drift = (ms: number) => void (driftMs += ms);
  const ids = createCountingIds();
  const log = createMemoryLogger();
  const q = createBuilder<Tables>("sqlite");
  const db: Database = {
    dialect: "sqlite",
    read: async <R>({ sql }: CompiledQuery<R>) => (sql.includes("maintenances") ? (planned.maintenances as R[]) : []),
    write: async () => [],
    statementCount: 0,
    close: async () => {},
  };
  const planned: { maintenances: readonly object[]; undo: Execution["undo"] } = { maintenances: [], undo: null };
  const maintain = (target: string, fromMs: number, toMs: number) => {
    planned.maintenances = [{ id: "mnt_1", target, from_ms: fromMs, to_ms: toMs, reason: "" }];
    return actions.maintenances.add(1, { target, fromMs, toMs, reason: "" });
  };
  let mode: Mode = "act";
  const statement = q.selectFrom("coordinator_actions").selectAll().compile();
  const actions = createActions({
    store: createActionStore(db, q),
    outbox: createOutbox({ db, owner: "test", clock, random: systemRandom, log, metrics: createRegistry({}) }),
    write: async () => [],
    inTurn: (work) => work(1),
    tell: () => statement,
    isOpen: () => false,
    touched: () => {},
    prepareTask: () => ({ task: { id: ids.next("task") } as TaskRecord, insert: statement }),
    taskAccepted: () => {},
    routeOf: async () => ({ timeoutMs: 1_000, idempotent: false }),
    seriesSince: async () => [{ series: "services/cart/latency", crossing, values: [value, value, value] }],
    heldBack: async () => undefined,
    modeOf: () => mode,
    begins: async () => {},
    undoOf: async () => planned.undo,
    clock,
    ids,
    log,
    config: () => ({ settleMs: 2_000, withinMs: 60_000, points: 3, spreads: 4 }),
  });
  actions.own(true);

  const take = async (changes: Partial<NewAction>) => {
    const step = await actions.create({ ...decided, ...changes }, undefined);
    step?.stored();
    return step?.after.id ?? "";
  };
  const done = async (changes: Partial<NewAction> = {}, undo: Execution["undo"] = null) => {
    const id = await take(changes);
    const taskId = actions.recent().find((one) => one.id === id)?.taskId ?? "";
    const task = { id: taskId, state: "succeeded" } as TaskRecord;
    actions.closing(task, { kind: "succeed", execution: { ...execution, undo } })?.stored();
    return id;
  };
  const stateOf = (id: string) => actions.recent().find((one) => one.id === id)?.state;
  /** What would take the next action back, as is known when it begins. */
  const setUndo = (undo: Execution["undo"]) => void (planned.undo = undo);
  let value = 120;
  /** Of the series that is looked at. */
  const setValue = (next: number) => void (value = next);
  const setMode = (next: Mode) => void (mode = next);
  return { clock, drift, actions, take, done, stateOf, setMode, setValue, setUndo, maintain };
}

describe("a wall clock that jumps", () => {
  // Set forward it gave a verdict, and took the action back, before anything could have told; set back, its chain waited.
  it.each([62_000, -HOUR_MS])("by %i ms neither hastens nor delays the look at an effect", async (jumpMs) => {
    const { clock, done, stateOf } = open();
    const id = await done();
    await clock.advance(1_000);
    clock.jump(jumpMs);
    await clock.advance(55_000);
    expect(stateOf(id)).toBe("checking");
    await clock.advance(8_000);
    expect(stateOf(id)).toBe("useless");
  });

  // Set forward, it emptied the limit of an hour: the fourth restart of it followed at once.
  it.each([2 * HOUR_MS, -2 * HOUR_MS])("by %i ms neither empties nor keeps the limit of an hour", async (jumpMs) => {
    const { clock, actions, done } = open();
    const reasonOf = () => {
      const wanted = { id: "new", rule: "restart", target: "cart", risk: "high" } as const;
      return heldBack(wanted, actions.recent(), null, { perTargetPerHour: 1 }, actions.steadySinceBegun);
    };
    await done({ checkedSeries: [] });
    clock.jump(jumpMs);
    // Whatever is done elsewhere meanwhile: it forgets what has ended long ago.
    await done({ target: "stock", checkedSeries: [] });
    await actions.read([]);
    await clock.advance(HOUR_MS - 1_000);
    expect(reasonOf()).toContain("1 actions on cart");
    await clock.advance(1_000);
    expect(reasonOf()).toBeUndefined();
  });

  it.each([HOUR_MS, -HOUR_MS])("by %i ms leaves what has just helped an answer for a minute", async (jumpMs) => {
    const { clock, actions, done, setValue } = open();
    setValue(4);
    const id = await done();
    await clock.advance(4_000);
    const [helped] = actions.ofIncident("inc_1");
    expect(helped).toMatchObject({ id, state: "helped" });
    clock.jump(jumpMs);
    const isStill = () => helped !== undefined && isAnswer(helped, actions.steadyNow(id));
    await clock.advance(50_000);
    expect(isStill()).toBe(true);
    await clock.advance(10_000);
    expect(isStill()).toBe(false);
  });

  it("does not keep a proposal alive", async () => {
    const { clock, take, stateOf } = open();
    const id = await take({ state: "proposed", expiresAtMs: clock.now() + HOUR_MS });
    clock.jump(-HOUR_MS);
    await clock.advance(HOUR_MS - 2_000);
    expect(stateOf(id)).toBe("proposed");
    await clock.advance(3_000);
    expect(stateOf(id)).toBe("expired");
  });

  // PostgreSQL refused the fraction: the proposal was open until the wall clock happened to be ahead.
  it("leaves whole milliseconds, whatever the monotonic clock counts in", async () => {
    const { clock, drift, actions, take } = open();
    await take({ state: "proposed", expiresAtMs: clock.now() + 5_000 });
    drift(0.37);
    await clock.advance(6_000);
    expect(actions.recent()).toMatchObject([{ state: "expired", endedAtMs: clock.now() - 1_000 }]);
  });

  // The monotonic clock stands still meanwhile: whoever opens the lid must not start what was meant for yesterday.
  it("because the machine slept leaves nothing to approve", async () => {
    const { clock, actions, take } = open();
    const id = await take({ state: "proposed", expiresAtMs: clock.now() + HOUR_MS });
    clock.jump(8 * HOUR_MS);
    expect(await actions.decide(id, true, "ada", "")).toMatchObject({ isDecided: false });
  });
});

// Only looking forgot: where all that is done is to tell somebody, nothing is looked at, and each stayed for ever.
it("forgets what ended long ago also where there is nothing to look at", async () => {
  const { clock, actions, done } = open();
  await done({ risk: "none", checkedSeries: [] });
  await clock.advance(HOUR_MS + 1);
  const id = await done({ risk: "none", checkedSeries: [] });
  expect(actions.recent().map((one) => one.id)).toEqual([id]);
});

// A person who stopped a message was asked for ever what had become of it.
it("does not ask what became of a message that was stopped while it was sent", async () => {
  const { actions, take, stateOf } = open();
  const id = await take({ risk: "none", checkedSeries: [] });
  const taskId = actions.recent()[0]?.taskId ?? "";
  const error = { code: "OUTCOME_UNKNOWN", message: "It was cancelled." };
  actions.closing({ id: taskId, state: "cancelled", attempts: 1, error } as TaskRecord, { kind: "cancel" })?.stored();
  expect(stateOf(id)).toBe("failed");
});

// Each that had told somebody left a message of its own, and all but the first found nothing to do.
it("leaves one message that an incident is over, however many told of it", async () => {
  const { actions, done } = open();
  const told: Partial<NewAction> = { risk: "none", checkedSeries: [] };
  const undo = { skill: "notify", params: { isOver: true } };
  await done(told, undo);
  await done(told, undo);
  const over = (statements: readonly object[]) => statements.filter((one) => JSON.stringify(one).includes(OVER_TOPIC));
  expect(over(actions.ending("inc_1").statements)).toHaveLength(1);
  expect(over(actions.ending("inc_2").statements)).toHaveLength(0);
});

describe("what did not help", () => {
  const UNDO = { skill: "scale-host", params: {} };
  const only = (actions: ReturnType<typeof open>["actions"]) => actions.recent()[0];

  // A host was scaled in the midst of the maintenance in which nothing was to be done to it.
  it("is taken back when the maintenance of its target is over", async () => {
    const { clock, actions, done, maintain } = open();
    await done({}, UNDO);
    await maintain("cart", clock.now(), clock.now() + 120_000);
    await clock.advance(119_000);
    expect(only(actions)).toMatchObject({ state: "undoing", undoTaskId: null });
    expect(only(actions)?.reason).toContain("mnt_1");
    await clock.advance(3_000);
    expect(only(actions)).toMatchObject({ state: "undoing", undoTaskId: expect.any(String) });
  });

  // A later attempt saw what the first had done, and knew of nothing to take back.
  it("is taken back as was known when it began, whatever its last attempt says", async () => {
    const { clock, actions, done, setUndo } = open();
    setUndo(UNDO);
    await done({}, null);
    expect(only(actions)).toMatchObject({ state: "checking", undo: UNDO });
    await clock.advance(70_000);
    expect(only(actions)).toMatchObject({ state: "undoing" });
  });

  it("is taken back also when nobody saw it done", async () => {
    const { clock, actions, take, setUndo } = open();
    setUndo(UNDO);
    await take({});
    const taskId = only(actions)?.taskId ?? "";
    const error = { code: "OUTCOME_UNKNOWN", message: "Its process died." };
    actions.closing({ id: taskId, state: "failed", attempts: 1, error } as TaskRecord, { kind: "orphan" })?.stored();
    await clock.advance(70_000);
    expect(only(actions)).toMatchObject({ state: "undoing", isLost: true });
  });

  it("stays as it is where nothing may be done by now", async () => {
    const { clock, actions, done, setMode } = open();
    await done({}, UNDO);
    setMode("observe");
    await clock.advance(70_000);
    expect(only(actions)).toMatchObject({ state: "useless", undoTaskId: null });
    expect(only(actions)?.reason).toContain("observe");
  });
});

// "Decided 67 s ago: restart of front", whose fault had begun half a minute ago.
it("was decided when it was decided for its target, though it takes the place of one that was held for another", async () => {
  const { clock, actions } = open();
  const held = (await actions.create({ ...decided, state: "held", reason: "cart is being restarted" }, undefined))
    ?.after;
  await clock.advance(60_000);
  const other = await actions.create({ ...decided, target: "front", state: "proposed" }, held);
  expect(other?.after).toMatchObject({ id: held?.id, target: "front", createdAtMs: clock.now() });
  const same = await actions.create({ ...decided, state: "proposed" }, held);
  expect(same?.after.createdAtMs).toBe(held?.createdAtMs);
});
