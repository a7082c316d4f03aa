import { afterEach, expect, it } from "vitest";
import type { Action } from "#contracts/action.ts";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createLiveState } from "./live-state.ts";
import { energyService } from "./service.ts";
import { createEnergyStore, energySchema } from "./store.ts";

const CALL = {} as never;
let database: Database | undefined;
afterEach(() => database?.close());

/** With a world whose open incidents may be changed as time goes on. */
async function open() {
  const clock = createFakeClock();
  database = await openSqlite({ file: ":memory:" });
  await migrate(database, [energySchema], clock);
  const world = {
    incidents: [] as { readonly id: string; readonly severity: "low" | "medium" | "high" }[],
    actions: [] as Pick<Action, "incidentId" | "state" | "endedAtMs" | "checkedSeries">[],
  };
  const live = createLiveState({
    coordinator: {
      listIncidents: async () => ({ incidents: world.incidents }),
      listActions: async () => ({ actions: world.actions }),
      status: async () => ({ tasks: {} }),
    } as never,
    state: { agents: async () => ({ agents: [] }) } as never,
  });
  const { handlers } = energyService({ database, store: createEnergyStore(database), live, clock });
  const predict = (skill: string) => handlers.predict({ skill, severity: "medium", chance: 0.5 }, CALL);

  /** One that was expected to end the incident and, perhaps, did. */
  async function act(actionId: string, skill: string, isHelpful: boolean) {
    world.incidents = [{ id: actionId, severity: "medium" }];
    const { deltaE, rawDeltaE } = await handlers.predict({ skill, severity: "medium", chance: 1 }, CALL);
    const entry = { actionId, skill, target: "cart", incidentId: actionId, predictedDeltaE: deltaE, rawDeltaE };
    await handlers.openEntry(entry, CALL);
    if (isHelpful) world.incidents = [];
    return handlers.settleEntry({ actionId }, CALL);
  }
  return { world, handlers, predict, act };
}

// What was measured was shown, and read by nothing: the thousandth prediction was as wrong as the first.
it("corrects what it predicts of a skill by what was measured of it, the more the more often", async () => {
  const { predict, act, handlers } = await open();
  expect(await predict("restart-host")).toEqual({ deltaE: -1, rawDeltaE: -1, correction: 1 });
  await act("a0", "restart-host", false);
  const once = await predict("restart-host");
  expect(once.correction).toBeLessThan(1);
  for (let i = 1; i < 4; i++) await act(`a${i}`, "restart-host", false);
  const often = await predict("restart-host");
  expect(often.deltaE).toBeGreaterThan(once.deltaE);
  // (10 − 0) / (10 + 4 × 2): measured against what was predicted before correction, else it would be corrected twice.
  expect(often).toEqual({ deltaE: -10 / 18, rawDeltaE: -1, correction: 10 / 18 });
  expect((await predict("scale-host")).correction).toBe(1);
  const { corrections, bias } = await handlers.ledger({ limit: 10 }, CALL);
  expect(corrections).toEqual({ "restart-host": 10 / 18 });
  expect(bias).toBeGreaterThan(0);
});

it("leaves a skill that does what is expected of it as it is, and never takes all from one", async () => {
  const { predict, act } = await open();
  for (let i = 0; i < 20; i++) {
    await act(`good${i}`, "restart-host", true);
    await act(`bad${i}`, "scale-host", false);
  }
  expect((await predict("restart-host")).correction).toBeCloseTo(1);
  expect((await predict("scale-host")).correction).toBe(0.5);
});

// Whatever else broke while a repair was under way was held against it.
it("does not charge an action with other incidents", async () => {
  const { world, handlers } = await open();
  const entry = { actionId: "act_1", skill: "restart-host", target: "cart", predictedDeltaE: -1 };
  world.incidents = [
    { id: "own", severity: "medium" },
    { id: "ends", severity: "low" },
  ];
  await handlers.openEntry({ ...entry, incidentId: "own" }, CALL);
  await handlers.openEntry({ ...entry, actionId: "act_2" }, CALL);
  world.incidents = [{ id: "opened", severity: "high" }];
  expect(await handlers.settleEntry({ actionId: "act_1" }, CALL)).toMatchObject({ measuredDeltaE: -2 });
  // One that names no incident is of the organism as a whole.
  expect(await handlers.settleEntry({ actionId: "act_2" }, CALL)).toMatchObject({ measuredDeltaE: 1 });
});

// Whatever was done about an incident after something had helped in it changed nothing, it was measured, and was corrected by that.
it("measures what is done about an incident in which something else has helped before", async () => {
  const { world, handlers } = await open();
  const before = {
    incidentId: "own",
    state: "helped" as const,
    endedAtMs: 1,
    checkedSeries: ["services/cart/latency"],
  } satisfies Partial<Action>;
  const told = { ...before, state: "failed" as const, endedAtMs: 3, checkedSeries: [] } satisfies Partial<Action>;
  world.incidents = [{ id: "own", severity: "high" }];
  const measured = async (actionId: string, state: Action["state"]) => {
    world.actions = [before];
    await handlers.openEntry(
      { actionId, incidentId: "own", skill: "scale-host", target: "stock", predictedDeltaE: -1 },
      CALL,
    );
    world.actions = [told, { ...before, state, endedAtMs: 2 }, before];
    return (await handlers.settleEntry({ actionId }, CALL)).measuredDeltaE;
  };
  expect(await measured("act_1", "helped")).toBe(-4);
  expect(await measured("act_2", "useless")).toBe(0);
  expect(await measured("act_3", "undone")).toBe(0);
  expect(await measured("act_4", "unknown")).toBe(0);
});
