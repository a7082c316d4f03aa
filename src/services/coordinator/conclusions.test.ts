import { expect, it } from "vitest";
import type { CauseKind, Diagnosis, Evidence } from "#contracts/cognitive.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { CoordinatorConfig } from "./config.ts";
import { createConclusions } from "./conclusions.ts";
import type { ActionRecord } from "./action.ts";
import type { Decided } from "./decisions.ts";
import { type IncidentRecord, openIncident } from "./incident.ts";

type Found = readonly [service: string | null, kind: CauseKind, confidence: number];

/** The cause that the incident has after each of these was found. */
async function causesOf(...found: readonly Found[]): Promise<unknown[]> {
  const conclusions = createConclusions({
    store: { diagnosis: async () => undefined, putDiagnosis: () => ({}) as never },
    actions: { ofIncident: () => [] },
    decisions: { on: async (): Promise<Decided> => ({ decision: null, entries: [], statements: [], stored() {} }) },
    clock: createFakeClock(),
  });
  const moved = { id: "x", source: "host", series: "cpu", startedAtMs: 1, value: 2, expected: 1, spread: 1 } as const;
  const limits = CoordinatorConfig.parse({}).incidents;
  let incident: IncidentRecord = openIncident("inc_1", { ...moved, score: 1, direction: "up" }, 1, limits);
  const causes: unknown[] = [];
  for (const [service, kind, confidence] of found) {
    const cause = { service, kind, confidence, changeId: null, reasons: [] };
    const diagnosis = { cause, alternatives: [] } as unknown as Diagnosis;
    const evidence = { graph: null, changes: [], cases: [] } as unknown as Evidence;
    const concluded = await conclusions.take(incident, { diagnosis, evidence });
    concluded?.stored();
    incident = concluded?.incident ?? incident;
    causes.push(incident.cause?.kind);
  }
  return causes;
}

// A surge that was over was called a leak in the end: people need more memory, and that was likelier than nothing by a hair.
it("keeps what was likely when it no longer shows, and what shows instead is hardly likelier than nothing", async () => {
  expect(await causesOf([null, "load", 0.91], ["cart", "memory", 0.51])).toEqual(["load", "load"]);
  expect(await causesOf([null, "load", 0.91], [null, "unknown", 0.6])).toEqual(["load", "load"]);
});

// A fault that came back before its alarm had cleared was looked at no more: it had been repaired.
it("asks anew a minute after a repair, and wants what has come back to show for as long as the first time", async () => {
  const clock = createFakeClock();
  const helped = { risk: "high", state: "helped", endedAtMs: clock.now() } as ActionRecord;
  const ages: number[] = [];
  const conclusions = createConclusions({
    store: { diagnosis: async () => undefined, putDiagnosis: () => ({}) as never },
    actions: { ofIncident: () => [helped] },
    decisions: {
      async on(_incident, thought): Promise<Decided> {
        ages.push(clock.now() - (thought?.sinceMs ?? 0));
        return { decision: null, entries: [], statements: [], stored() {} };
      },
    },
    clock,
  });
  const moved = { id: "x", source: "host", series: "cpu", startedAtMs: 1, value: 2, expected: 1, spread: 1 } as const;
  const limits = CoordinatorConfig.parse({}).incidents;
  const incident = openIncident("inc_1", { ...moved, score: 1, direction: "up" }, 1, limits);
  const cause = { service: "cart", kind: "latency", confidence: 0.9, changeId: null, reasons: [] };
  const diagnosis = { cause, alternatives: [] } as unknown as Diagnosis;
  const evidence = { graph: null, changes: [], cases: [] } as unknown as Evidence;
  for (let second = 0; second <= 80; second += 10) {
    (await conclusions.take(incident, { diagnosis, evidence }))?.stored();
    await clock.advance(10_000);
  }
  // The first is what the repair was an answer to.
  expect(ages).toEqual([0, 10_000, 20_000, 30_000]);
});

it("takes what is likely by itself, and anything instead of what was no likelier", async () => {
  expect(await causesOf([null, "load", 0.91], ["cart", "memory", 0.7])).toEqual(["load", "memory"]);
  expect(await causesOf(["cart", "latency", 0.5], ["cart", "memory", 0.55])).toEqual(["latency", "memory"]);
});
