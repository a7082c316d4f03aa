import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, HEALTHY_AFTER_MS, nextSlot, type Slot, type SlotEvent, startSlot } from "./replica-state.ts";

const event: fc.Arbitrary<SlotEvent> = fc.oneof(
  fc.constant<SlotEvent>({ type: "ready", address: "http://127.0.0.1:1" }),
  fc.constant<SlotEvent>({ type: "not-ready" }),
  fc.constant<SlotEvent>({ type: "exited", reason: "exit 1" }),
  fc.constant<SlotEvent>({ type: "leave" }),
  fc.constant<SlotEvent>({ type: "retry" }),
);
const history = fc.array(fc.tuple(event, fc.nat(20_000), fc.double({ min: 0, max: 0.999, noNaN: true })));

describe("the life of a slot", () => {
  it("never has two processes, and never forgets one", () => {
    fc.assert(
      fc.property(history, (steps) => {
        let slot: Slot = startSlot(0);
        let nowMs = 0;
        let processes = 1;
        for (const [step, elapsedMs, random] of steps) {
          // A process can only exit while there is one; the rest may come at any time.
          if (step.type === "exited" && processes === 0) continue;
          nowMs += elapsedMs;
          const next = nextSlot(slot, step, { nowMs, random });
          if (step.type === "exited") processes--;
          processes += next.effects.filter(({ type }) => type === "start").length;
          slot = next.slot;
          const alive = slot.state.kind === "starting" || slot.state.kind === "ready" || slot.state.kind === "draining";
          expect(processes).toBe(alive ? 1 : 0);
        }
      }),
    );
  });

  it("once told to leave only drains and stops", () => {
    fc.assert(
      fc.property(history, (steps) => {
        let slot = nextSlot(startSlot(0), { type: "leave" }, { nowMs: 0, random: 0 }).slot;
        for (const [step, elapsedMs, random] of steps) {
          const next = nextSlot(slot, step, { nowMs: elapsedMs, random });
          expect(["draining", "stopped"]).toContain(next.slot.state.kind);
          expect(next.effects).toEqual([]);
          slot = next.slot;
        }
      }),
    );
  });

  it("waits for a retry after every failure, at least 100 ms unless it had been healthy", () => {
    fc.assert(
      fc.property(history, (steps) => {
        let slot = startSlot(0);
        let nowMs = 0;
        for (const [step, elapsedMs, random] of steps) {
          nowMs += elapsedMs;
          const before = slot;
          const next = nextSlot(slot, step, { nowMs, random });
          slot = next.slot;
          if (slot.state.kind !== "backoff" || before.state.kind === "backoff") continue;
          const delayMs = (slot.state.retryAtMs ?? 0) - nowMs;
          expect(next.effects).toEqual([{ type: "wait", delayMs }]);
          const healthy = before.readySinceMs !== undefined && nowMs - before.readySinceMs >= HEALTHY_AFTER_MS;
          if (healthy) expect(delayMs).toBe(0);
          else expect(delayMs).toBeGreaterThanOrEqual(100);
        }
      }),
    );
  });
});

describe("backoff", () => {
  it("grows to 10 s and never leaves the upper half of its step", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (failures, random) => {
          const full = Math.min(10_000, 200 * 2 ** (failures - 1));
          expect(backoffMs(failures, random)).toBeGreaterThanOrEqual(full / 2);
          expect(backoffMs(failures, random)).toBeLessThanOrEqual(full);
        },
      ),
    );
  });
});
