import { expect, it } from "vitest";
import type { CauseKind, Diagnosis, Evidence } from "#contracts/cognitive.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { CoordinatorConfig } from "./config.ts";
import { createConclusions } from "./conclusions.ts";
import type { ActionRecord } from "./action.ts";
import type { Decided } from "./decisions.ts";
import { type IncidentRecord, openIncident } from "./incident.ts";

const MOVED = { id: "x", source: "host", series: "cpu", startedAtMs: 1, value: 2, expected: 1, spread: 1 } as const;
const LIMITS = CoordinatorConfig.parse({}).incidents;

type Found = readonly [service: string | null, kind: CauseKind, confidence: number];

/** The cause that the incident has after each of these was found. */
async function causesOf(...found: readonly Found[]): Promise<unknown[]> {
  const conclusions = createConclusions({
    store: { diagnosis: async () => undefined, putDiagnosis: () => ({}) as never },
    actions: { ofIncident: () => [], steadyNow: () => 0 },
    decisions: { on: async (): Promise<Decided> => ({ decision: null, entries: [], statements: [], stored() {} }) },
    clock: createFakeClock(),
  });
  let incident: IncidentRecord = openIncident("inc_1", { ...MOVED, score: 1, direction: "up" }, 1, LIMITS);
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
    actions: { ofIncident: () => [helped], steadyNow: () => clock.now() },
    decisions: {
      async on(_incident, thought): Promise<Decided> {
        ages.push(thought?.ageMs ?? -1);
        return { decision: null, entries: [], statements: [], stored() {} };
      },
    },
    clock,
  });
  const incident = openIncident("inc_1", { ...MOVED, score: 1, direction: "up" }, 1, LIMITS);
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

// Set forward, what had been blamed for a second had been for an hour; set back, a repair waited for one.
it.each([3_600_000, -3_600_000])(
  "knows for how long the same has been to blame when the clock jumps by %i",
  async (jump) => {
    const clock = createFakeClock();
    const ages: (number | undefined)[] = [];
    const conclusions = createConclusions({
      store: { diagnosis: async () => undefined, putDiagnosis: () => ({}) as never },
      actions: { ofIncident: () => [], steadyNow: () => clock.now() },
      decisions: {
        async on(_incident, thought): Promise<Decided> {
          ages.push(thought?.ageMs);
          return { decision: null, entries: [], statements: [], stored() {} };
        },
      },
      clock,
    });
    const incident = openIncident("inc_1", { ...MOVED, score: 1, direction: "up" }, 1, LIMITS);
    const cause = { service: "cart", kind: "latency", confidence: 0.9, changeId: null, reasons: [] };
    const diagnosis = { cause, alternatives: [] } as unknown as Diagnosis;
    const evidence = { graph: null, changes: [], cases: [] } as unknown as Evidence;
    for (let looks = 0; looks < 3; looks++) {
      (await conclusions.take(incident, { diagnosis, evidence }))?.stored();
      if (looks === 0) clock.jump(jump);
      await clock.advance(10_000);
    }
    expect(ages).toEqual([0, 10_000, 20_000]);
  },
);

it("takes what is likely by itself, and anything instead of what was no likelier", async () => {
  expect(await causesOf([null, "load", 0.91], ["cart", "memory", 0.7])).toEqual(["load", "memory"]);
  expect(await causesOf(["cart", "latency", 0.5], ["cart", "memory", 0.55])).toEqual(["latency", "memory"]);
});
