import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as row from "./desired-row.ts";
import { type DesiredHost, generationsOf, weightOf } from "./desired-state.ts";
import { HostSpec } from "./host-spec.ts";
import { isRunning, type Look, nextRollout, percentOf, READY_WITHIN_MS, returned } from "./rollout.ts";

const spec = HostSpec.parse({ name: "ml", services: ["ml"], replicas: 2 });
const next = HostSpec.parse({ ...spec, version: "2" });
const steps = fc
  .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 4 })
  .map((some) => [...some.sort((a, b) => a - b), 100]);
const figures = fc.tuple(fc.nat(200), fc.nat(3)).map(([calls, errors]) => ({ calls, errors: Math.min(calls, errors) }));
const look = (over: fc.Arbitrary<boolean> = fc.boolean()): fc.Arbitrary<Look> =>
  fc.record({
    nowMs: fc.constant(5),
    elapsedMs: fc.integer({ min: 0, max: 5_000 }),
    old: figures,
    next: figures,
    isReady: over,
    failure: fc.oneof({ weight: 30, arbitrary: fc.constant(undefined) }, fc.constant("it ended")),
  });
const event = fc.oneof(
  { weight: 20, arbitrary: look().map((one): row.Change => row.changeRollout((it) => nextRollout(it, one))) },
  { weight: 1, arbitrary: fc.constant<row.Change>(row.changeRollout((it) => returned(it, "aborted", 9))) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 5 }).map((count) => row.scale("ml", count)) },
  { weight: 1, arbitrary: fc.constant<row.Change>(row.put({ ...spec, memoryMb: 700 }, 9)) },
);

function begin(plan: readonly number[], everyMs = 3_000): row.DesiredRow {
  const present = row.put(spec, 0)(row.ABSENT);
  return row.startRollout("ml", () => next, { steps: plan, everyMs, nowMs: 1 })(present);
}
const hostOf = (one: row.DesiredRow): DesiredHost => row.toDesired(one);

describe("a rollout", () => {
  it("keeps the shares whole and always somebody who has one, and never uses a generation twice", () => {
    fc.assert(
      fc.property(steps, fc.array(event, { maxLength: 60 }), (plan, events) => {
        let present = begin(plan);
        const used = new Map<number, string>([[present.generation, canonical(spec)]]);
        for (const change of events) {
          present = change(present);
          const host = hostOf(present);
          const generations = generationsOf(host);
          const weights = generations.map(({ generation }) => weightOf(host, generation));
          expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 10);
          expect(weights.some((weight) => weight > 0)).toBe(true);
          for (const { generation, spec: wanted } of generations) {
            const { replicas: _replicas, ...code } = wanted;
            expect(used.get(generation) ?? canonical(code)).toBe(canonical(code));
            used.set(generation, canonical(code));
          }
        }
      }),
    );
  });

  it("that is taken back, whenever and why ever, leaves exactly what was", () => {
    fc.assert(
      fc.property(steps, fc.array(look(), { maxLength: 30 }), (plan, looks) => {
        const before = begin(plan);
        let present = before;
        for (const one of looks) present = row.changeRollout((it) => nextRollout(it, one))(present);
        fc.pre(present.rollout?.state.kind !== "finished");
        present = row.changeRollout((it) => returned(it, "aborted", 9))(present);
        expect({ ...present, rollout: undefined }).toEqual({ ...before, rollout: undefined });
        const host = hostOf(present);
        expect(generationsOf(host)).toEqual([host]);
        expect(weightOf(host, host.generation)).toBe(1);
        expect(weightOf(host, present.rollout?.generation ?? 0)).toBe(0);
        expect(present.rollout?.state).toMatchObject({ kind: "returned", reason: expect.any(String) });
      }),
    );
  });

  it("ends, whatever is seen, once it is watched for long enough", () => {
    fc.assert(
      fc.property(steps, fc.infiniteStream(look(fc.boolean())), (plan, looks) => {
        let present = begin(plan, 1);
        let watchedMs = 0;
        for (const one of looks) {
          if (watchedMs > (plan.length + 1) * READY_WITHIN_MS) break;
          watchedMs += one.elapsedMs;
          present = row.changeRollout((it) => nextRollout(it, one))(present);
        }
        expect(present.rollout && isRunning(present.rollout)).toBe(false);
        expect(row.changeRollout((it) => nextRollout(it, QUIET))(present)).toBe(present);
      }),
      { numRuns: 30 },
    );
  });

  const QUIET: Look = {
    nowMs: 7,
    elapsedMs: 1_000,
    old: { calls: 90, errors: 0 },
    next: { calls: 10, errors: 0 },
    isReady: true,
    failure: undefined,
  };

  it("takes each step after its time of doing well, and then is what runs, at the count of the day", () => {
    let present = begin([5, 25, 100], 2_000);
    const percents: number[] = [];
    present = row.scale("ml", 3)(present);
    for (let i = 0; i < 12 && present.rollout && isRunning(present.rollout); i++) {
      percents.push(percentOf(present.rollout));
      present = row.changeRollout((it) => nextRollout(it, QUIET))(present);
    }
    expect(percents).toEqual([0, 5, 5, 25, 25, 100, 100]);
    expect(present).toMatchObject({ generation: 2, spec: { version: "2", replicas: 3 } });
    expect(present.rollout?.state).toEqual({
      kind: "finished",
      endedAtMs: 7,
      old: { calls: 630, errors: 0 },
      next: { calls: 20, errors: 0 },
    });
  });

  it("begins the time of a step anew when the new version was not ready in it", () => {
    let present = begin([100], 2_000);
    for (const isReady of [true, true, false, true]) {
      present = row.changeRollout((it) => nextRollout(it, { ...QUIET, isReady }))(present);
    }
    expect(present.rollout?.state).toMatchObject({ kind: "step", observedMs: 1_000 });
  });

  // A supervisor that was away for a minute has seen nothing in it.
  it("counts only time in which somebody watched", () => {
    let present = begin([100], 2_000);
    for (let i = 0; i < 50; i++) {
      present = row.changeRollout((it) => nextRollout(it, { ...QUIET, elapsedMs: 0 }))(present);
    }
    expect(present.rollout?.state).toMatchObject({ kind: "step", observedMs: 0 });
  });

  it("is taken back with figures when the new version errs more", () => {
    let present = begin([25, 100]);
    for (const errors of [0, 0, 4]) {
      present = row.changeRollout((it) => nextRollout(it, { ...QUIET, next: { calls: 10, errors } }))(present);
    }
    expect(present.rollout?.state).toMatchObject({
      kind: "returned",
      percent: 25,
      reason: "4 of 20 calls (20.0 %) failed, 0 of 270 calls (0.0 %) of the present version",
    });
  });

  it("goes on over the same deploy and ends by another", () => {
    const going = begin([100]);
    expect(row.put(spec, 9)(going)).toBe(going);
    const replaced = row.put({ ...spec, memoryMb: 700 }, 9)(going);
    expect(replaced).toMatchObject({ generation: 3, rollout: { generation: 2, state: { kind: "returned" } } });
  });
});

function canonical(value: object): string {
  const { replicas: _replicas, ...code } = value as HostSpec;
  return JSON.stringify(code);
}
