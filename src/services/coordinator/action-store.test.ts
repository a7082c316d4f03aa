import { expect, it } from "vitest";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { ActionRecord } from "./action.ts";
import { createActionStore } from "./action-store.ts";
import type { Tables } from "./schema.ts";

const RECORD: ActionRecord = {
  id: "act_1",
  incidentId: "inc_1",
  rule: "restart",
  skill: "restart-host",
  target: "cart",
  params: { host: "cart" },
  mode: "observe",
  state: "observed",
  reason: "The mode is observe.",
  wouldBegin: true,
  cause: null,
  predictedDeltaE: null,
  measuredDeltaE: null,
  taskId: null,
  undoTaskId: null,
  checkedSeries: [],
  decidedBy: null,
  createdAtMs: 0,
  expiresAtMs: null,
  actedAtMs: null,
  endedAtMs: 0,
  risk: "high",
  undo: null,
  rawConfidence: 0.8,
  recalled: [{ id: "inc_0", helped: true }],
};

/** A record as it comes out of a row with this content. */
async function read(data: object): Promise<ActionRecord | undefined> {
  const db: Database = {
    dialect: "sqlite",
    read: async () => [{ id: RECORD.id, data: JSON.stringify(data) }] as never,
    write: async () => [],
    statementCount: 0,
    close: async () => {},
  };
  return createActionStore(db, createBuilder<Tables>("sqlite")).get(RECORD.id);
}

it("reads what it wrote", async () => {
  expect(await read(RECORD)).toEqual(RECORD);
  const held = { ...RECORD, wouldBegin: false, rawConfidence: null, recalled: [] };
  expect(await read(held)).toEqual(held);
});

// The first versions kept neither; a judgement of such an action would have been of a confidence that is undefined.
it("reads rows of versions that knew no confidence, and of cases only their ids", async () => {
  const { rawConfidence: _confidence, ...older } = { ...RECORD, recalled: ["inc_0", { id: "inc_2", helped: false }] };
  expect(await read(older)).toEqual({ ...RECORD, rawConfidence: null, recalled: [{ id: "inc_2", helped: false }] });
});

// Only the mode observe wrote down then what the mode alone kept from being begun: the rest was maintenance.
it.each([
  [{ mode: "observe", state: "observed" }, true],
  [{ mode: "observe", state: "held" }, false],
  [{ mode: "propose", state: "observed" }, false],
  [{ mode: "act", state: "observed" }, false],
  [{ mode: "act", state: "helped" }, false],
] as const)("reads of rows that do not say it whether it would have begun: %o", async (changes, wouldBegin) => {
  const { wouldBegin: _would, ...older } = { ...RECORD, ...changes };
  expect(await read(older)).toMatchObject({ wouldBegin });
});
