import { afterEach, expect, it } from "vitest";
import type { CallGraph, Evidence, ServiceFigures } from "#contracts/cognitive.ts";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { cognitiveService } from "./service.ts";
import { cognitiveSchema, createCognitiveStore } from "./store.ts";

const CALL = {} as never;
const FIGURES: ServiceFigures = {
  requestsPerS: 20,
  errorsPerS: 0,
  latencyMs: 5,
  selfErrorsPerS: 0,
  selfLatencyMs: 5,
  memoryMb: 100,
};
/** cart has become twenty times as slow by itself. */
const EVIDENCE: Evidence = {
  atMs: 5_000,
  movements: [
    {
      series: "services/cart/latency",
      service: "cart",
      metric: "latency",
      startedAtMs: 0,
      direction: "up",
      value: 100,
      expected: 5,
      spread: 1,
      isCleared: false,
    },
  ],
  graph: {
    services: [
      {
        service: "cart",
        host: "cart",
        isOwn: true,
        replicas: { ready: 1, wanted: 1 },
        before: FIGURES,
        now: { ...FIGURES, latencyMs: 100, selfLatencyMs: 100 },
      },
    ],
    edges: [],
    beforeMs: [-120_000, 0],
    nowMs: [0, 5_000],
    watchedFromMs: -120_000,
  } satisfies CallGraph,
  changes: [],
  windows: [],
  cases: [],
};

let database: Database | undefined;
afterEach(() => database?.close());

async function open() {
  const clock = createFakeClock();
  database = await openSqlite({ file: ":memory:" });
  await migrate(database, [cognitiveSchema], clock);
  return cognitiveService({ database, store: createCognitiveStore(database), clock }).handlers;
}

// Calibration was shown, and tested by itself; that what is said goes by it was not.
it("says of a cause that it is less sure than it thinks, once causes like it were wrong", async () => {
  const handlers = await open();
  const { cause } = await handlers.reasonAboutFailure({ evidence: EVIDENCE }, CALL);
  expect(cause).toMatchObject({ service: "cart", kind: "latency" });
  expect(cause.rawConfidence).toBeGreaterThan(0.9);
  expect(cause.confidence).toBeCloseTo(cause.rawConfidence, 1);
  for (let i = 0; i < 30; i++) {
    const outcome = { actionId: `act_${i}`, rawConfidence: cause.rawConfidence, wasRight: false };
    expect(await handlers.recordOutcome(outcome, CALL)).toEqual({ recorded: true });
  }
  const chastened = (await handlers.reasonAboutFailure({ evidence: EVIDENCE }, CALL)).cause;
  expect(chastened.rawConfidence).toBe(cause.rawConfidence);
  expect(chastened.confidence).toBeLessThan(0.7);
  expect((await handlers.calibration({}, CALL)).outcomes).toBe(30);
});
