import { afterEach, beforeEach, expect, it } from "vitest";
import type { ActionRecord } from "#services/coordinator/action.ts";
import { type ActionStore, createActionStore } from "#services/coordinator/action-store.ts";
import { createLearning } from "#services/coordinator/learning.ts";
import type { Tables } from "#services/coordinator/schema.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { type Box, openBox } from "./organism-in-a-box.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let box: Box;
beforeEach(async () => {
  place = await temporaryPlace();
  box = await openBox({ place });
});
afterEach(async () => {
  await box.close();
  await place.remove();
});

const ACTION: ActionRecord = {
  id: "act_1",
  incidentId: "inc_none",
  rule: "repair",
  skill: "scale-host",
  target: "stock",
  risk: "low",
  params: {},
  mode: "act",
  state: "undoing",
  reason: "It did not help.",
  wouldBegin: false,
  cause: null,
  predictedDeltaE: null,
  measuredDeltaE: null,
  taskId: "task_1",
  undo: { skill: "scale-host", params: {} },
  undoTaskId: "task_2",
  rawConfidence: null,
  recalled: [],
  checkedSeries: [],
  decidedBy: null,
  createdAtMs: 1,
  expiresAtMs: null,
  actedAtMs: 2,
  endedAtMs: null,
};

// The figure was written with the state that had been read before: an action that was taken back meanwhile was being taken
// back again, for ever.
it("notes what an action changed without undoing what became of it meanwhile", async () => {
  const store = createActionStore(box.database, createBuilder<Tables>(box.database.dialect));
  await box.database.write([store.put(ACTION)]);
  let reads = 0;
  const actions: ActionStore = {
    ...store,
    async get(id) {
      const found = await store.get(id);
      if (++reads === 2) await box.database.write([store.put({ ...ACTION, state: "undone" })]);
      return found;
    },
  };
  const learning = createLearning({
    actions,
    incidents: { get: async () => undefined, diagnosis: async () => undefined } as never,
    cognitive: { recordOutcome: async () => ({}) } as never,
    energy: { settleEntry: { try: async () => ({ ok: true, value: { measuredDeltaE: -1 } }) } } as never,
    state: {} as never,
    write: (_epoch, statements) => box.database.write(statements),
    epoch: () => 1,
  });
  await learning.from(ACTION.id);
  expect(reads).toBeGreaterThanOrEqual(2);
  expect(await store.get(ACTION.id)).toMatchObject({ state: "undone", measuredDeltaE: -1 });
});

// A cause that an action had helped against stayed right when a person said that nothing had been wrong.
it("judges each cause by itself, and as was said last", async () => {
  const first = { actionId: "act_1", rawConfidence: 0.9, wasRight: true };
  expect(await box.cognitive.recordOutcome(first)).toEqual({ recorded: true });
  expect(await box.cognitive.recordOutcome(first)).toEqual({ recorded: false });
  await box.cognitive.recordOutcome({ actionId: "act_2", rawConfidence: 0.7, wasRight: true });
  expect(await box.cognitive.recordOutcome({ ...first, wasRight: false })).toEqual({ recorded: true });
  const { bins } = await box.cognitive.calibration({});
  expect(bins.filter(({ predictions }) => predictions > 0)).toMatchObject([
    { meanConfidence: 0.7, rightShare: 1 },
    { meanConfidence: 0.9, rightShare: 0 },
  ]);
});
