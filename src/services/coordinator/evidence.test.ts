import { expect, it } from "vitest";
import type { Evidence } from "#contracts/cognitive.ts";
import type { Crossing } from "#contracts/ml.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { CoordinatorConfig } from "./config.ts";
import { createEvidence } from "./evidence.ts";
import type { IncidentRecord } from "./incident.ts";

type Point = readonly [number, number, number];

/** Of an incident that one series has opened a second ago, with what was asked of `ml`. */
async function gathered(points: (openedAtMs: number) => readonly Point[] | Error) {
  const clock = createFakeClock();
  const openedAtMs = clock.now() - 1_000;
  const crossing = { source: "services", series: "cart/latency", startedAtMs: openedAtMs, direction: "up" } as Crossing;
  const asked: object[] = [];
  const gather = createEvidence({
    telemetry: { callGraph: async () => null } as never,
    ml: {
      points: async (question: object) => {
        asked.push(question);
        const answer = points(openedAtMs);
        if (answer instanceof Error) throw answer;
        return { points: answer };
      },
    } as never,
    state: { recallCases: async () => ({ cases: [] }) } as never,
    store: {
      crossingsOf: async () => [{ crossing, isCleared: false }],
      changesBetween: async () => [],
    } as never,
    clock,
    log: createMemoryLogger(),
    limits: () => CoordinatorConfig.parse({}).incidents,
  });
  const incident = { id: "inc_1", openedAtMs, lastEventMs: openedAtMs } as IncidentRecord;
  const evidence: Evidence = await gather(incident);
  return { evidence, asked, openedAtMs, nowMs: clock.now() };
}

// Which series leads is told by these windows: with a shifted or a gappy one it would be told wrongly.
it("has two minutes before and what came since, by the second: means of what came together, null where nothing did", async () => {
  const { evidence, asked, openedAtMs, nowMs } = await gathered((opened) => {
    const startMs = Math.floor((opened - 120_000) / 1_000) * 1_000;
    const at = (seconds: number, value: number): Point => [startMs + 1_000 * seconds, value, 0];
    return [at(-1, 99), at(0, 1), at(2.1, 4), at(2.9, 8), at(3, 1e300), at(120, 5)];
  });
  const startMs = Math.floor((openedAtMs - 120_000) / 1_000) * 1_000;
  expect(asked).toMatchObject([{ source: "services", series: "cart/latency", fromMs: startMs, toMs: nowMs }]);
  const [window] = evidence.windows;
  expect(window).toMatchObject({ series: "services/cart/latency", startMs, stepMs: 1_000 });
  expect(window?.values).toHaveLength(121);
  expect(window?.values.slice(0, 5)).toEqual([1, null, 6, 1e90, null]);
  expect(window?.values.at(-1)).toBe(5);
});

it("has no window of what has no points, and the rest of the evidence where they cannot be had", async () => {
  expect((await gathered(() => [])).evidence.windows.map(({ values }) => values.filter((one) => one !== null))).toEqual(
    [[]],
  );
  const { evidence } = await gathered(() => new Error("ml is away"));
  expect(evidence.windows).toEqual([]);
  expect(evidence.movements).toMatchObject([{ series: "services/cart/latency", service: "cart", metric: "latency" }]);
});
