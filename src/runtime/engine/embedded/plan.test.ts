import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HostSpec } from "../host-spec.ts";
import type { ReplicaState } from "../engine.ts";
import { beginRollout, returned } from "../rollout.ts";
import { plan, type Seated } from "./plan.ts";

interface FakeSeat extends Seated {
  kind: ReplicaState["kind"];
}
const host = (replicas: number, generation: number) => ({
  spec: HostSpec.parse({ name: "toy", services: ["toy"], replicas }),
  generation,
  revision: 1,
});
const change = fc.record({ replicas: fc.nat(4), bump: fc.boolean(), order: fc.infiniteStream(fc.nat(7)) });

describe("the plan", () => {
  // A rollout that stops a serving replica before its successor serves loses requests.
  it("reaches what is wanted from anywhere, and never below what served before", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const seats: FakeSeat[] = [];
        let generation = 1;
        for (const { replicas, bump, order } of changes) {
          if (bump) generation++;
          const wanted = [host(replicas, generation)];
          const ready = () => seats.filter(({ kind }) => kind === "ready").length;
          const floor = Math.min(replicas, ready());
          for (let round = 0; round < 60; round++) {
            for (const step of plan(wanted, seats, { sharesPorts: true })) {
              if (step.type === "start") {
                seats.push({ number: step.number, generation, kind: "starting", spec: step.host.spec });
              } else step.seat.kind = "draining";
            }
            expect(ready()).toBeGreaterThanOrEqual(floor);
            const busy = seats.filter(({ kind }) => kind === "starting" || kind === "draining");
            const one = busy[(order.next().value ?? 0) % Math.max(1, busy.length)];
            if (!one) break;
            one.kind = one.kind === "starting" ? "ready" : "stopped";
            if (one.kind === "stopped") seats.splice(seats.indexOf(one), 1);
          }
          expect(plan(wanted, seats, { sharesPorts: true })).toEqual([]);
          expect(seats.map(({ number }) => number).sort((a, b) => a - b)).toEqual(
            Array.from({ length: replicas }, (_, i) => i),
          );
          expect(seats.every((seat) => seat.kind === "ready" && seat.generation === generation)).toBe(true);
        }
      }),
    );
  });

  it("seats both versions during a rollout, and after it the one that stays, which never stops serving", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        fc.infiniteStream(fc.nat(7)),
        (replicas, isGood, order) => {
          const before = host(replicas, 1);
          const rollout = beginRollout("1", before.spec, 2, { steps: [100], everyMs: 1, nowMs: 0 });
          const ends = isGood ? { ...host(replicas, 2) } : { ...before, rollout: returned(rollout, "aborted", 1) };
          const seats: FakeSeat[] = [];
          for (const [wanted, generations, stays] of [
            [before, [1], undefined],
            [{ ...before, rollout }, [1, 2], 1],
            [ends, [isGood ? 2 : 1], isGood ? 2 : 1],
          ] as const) {
            for (let round = 0; round < 60; round++) {
              for (const step of plan([wanted], seats, { sharesPorts: true })) {
                if (step.type === "leave") step.seat.kind = "draining";
                else {
                  const { number, host: started } = step;
                  seats.push({ number, generation: started.generation, kind: "starting", spec: started.spec });
                }
              }
              const serving = seats.filter(({ generation, kind }) => generation === stays && kind === "ready");
              if (stays !== undefined) expect(serving).toHaveLength(replicas);
              const busy = seats.filter(({ kind }) => kind === "starting" || kind === "draining");
              const one = busy[(order.next().value ?? 0) % Math.max(1, busy.length)];
              if (!one) break;
              if (one.kind === "starting") one.kind = "ready";
              else seats.splice(seats.indexOf(one), 1);
            }
            const slots = seats.map(({ generation, number, kind }) => `${generation}/${number} ${kind}`).sort();
            const numbers = Array.from({ length: replicas }, (_, number) => number);
            expect(slots).toEqual(generations.flatMap((generation) => numbers.map((n) => `${generation}/${n} ready`)));
          }
        },
      ),
    );
  });

  it("stops a host that is no longer wanted", () => {
    const seat: FakeSeat = { number: 0, generation: 1, kind: "ready", spec: { name: "gone" } };
    expect(plan([], [seat], { sharesPorts: true })).toEqual([{ type: "leave", seat }]);
  });

  // Two processes that cannot share a port would keep each other from ever being replaced.
  it("replaces old before new where a fixed port cannot be shared", () => {
    const wanted = [{ ...host(1, 2), spec: HostSpec.parse({ name: "toy", services: ["toy"], port: 7700 }) }];
    const old: FakeSeat = { number: 0, generation: 1, kind: "ready", spec: { name: "toy" } };
    const steps = () => plan(wanted, [old], { sharesPorts: false }).map(({ type }) => type);
    expect(steps()).toEqual(["leave"]);
    old.kind = "draining";
    expect(steps()).toEqual([]);
    old.kind = "stopped";
    expect(steps()).toEqual(["start"]);
  });
});
