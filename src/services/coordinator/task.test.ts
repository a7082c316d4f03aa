import fc from "fast-check";
import { expect, it } from "vitest";
import { isFinal, type TaskEvent, type TaskRecord, transition } from "./task.ts";

const lease = { epoch: 1, holder: "core/0@1", untilMs: 1_000 };
const execution = {
  organ: "o",
  agent: "a",
  skill: "s",
  result: 1,
  effect: { state: "confirmed", evidence: "seen" },
  change: null,
  undo: null,
  durationMs: 1,
} as const;
const failure = { code: "SKILL_FAILED", message: "no" };

const anEvent: fc.Arbitrary<TaskEvent> = fc.oneof(
  fc.constant<TaskEvent>({ kind: "due" }),
  fc.constant<TaskEvent>({ kind: "claim", lease }),
  fc.constant<TaskEvent>({ kind: "succeed", execution }),
  fc.option(fc.nat(1_000)).map<TaskEvent>((retryDelayMs) => ({ kind: "fail", failure, retryDelayMs })),
  fc.constant<TaskEvent>({ kind: "orphan" }),
  fc.constant<TaskEvent>({ kind: "cancel" }),
  fc.constant<TaskEvent>({ kind: "retry" }),
);

const aTask = fc.record({ maxAttempts: fc.integer({ min: 1, max: 4 }), repeatable: fc.boolean() }).map(
  ({ maxAttempts, repeatable }): TaskRecord => ({
    id: "task_1",
    seq: 1,
    type: "noop",
    description: "",
    params: {},
    domain: null,
    priority: 5,
    state: "queued",
    attempts: 0,
    maxAttempts,
    allowance: maxAttempts,
    runAfterMs: 0,
    timeoutMs: 100,
    repeatable,
    result: null,
    effect: null,
    error: null,
    organ: null,
    agent: null,
    incidentId: null,
    submittedBy: "test",
    createdAtMs: 0,
    updatedAtMs: 0,
    lease: null,
  }),
);

// The original's dispatcher counted attempts twice, completed cancelled tasks, and let time-outs retry for ever.
it("counts attempts at claims only, never above the bound, and leaves a final task alone until it is retried", () => {
  fc.assert(
    fc.property(aTask, fc.array(fc.tuple(anEvent, fc.nat(500)), { maxLength: 40 }), (first, events) => {
      let task = first;
      let nowMs = 0;
      let claims = 0;
      for (const [event, passesMs] of events) {
        nowMs += passesMs;
        const after = transition(task, event, nowMs);
        if (isFinal(task.state) && event.kind !== "retry") expect(after).toBeUndefined();
        if (after === undefined) continue;
        if (event.kind === "claim") claims++;
        expect(after.lease !== null).toBe(after.state === "running");
        expect(after.attempts).toBe(claims);
        expect(after.attempts).toBeLessThanOrEqual(after.maxAttempts);
        if (task.state === "succeeded") expect.unreachable("a success is never taken back");
        if (after.state === "scheduled") expect(after.runAfterMs).toBeGreaterThan(nowMs);
        task = after;
      }
    }),
  );
});

it("does not run again what may have run and must not run twice", () => {
  fc.assert(
    fc.property(aTask, (task) => {
      const running = transition(task, { kind: "claim", lease }, 1);
      if (running === undefined) return expect.unreachable();
      const after = transition(running, { kind: "orphan" }, 2);
      if (!task.repeatable) expect(after).toMatchObject({ state: "failed", error: { code: "OUTCOME_UNKNOWN" } });
      else expect(after?.state).toBe(task.maxAttempts > 1 ? "queued" : "failed");
    }),
  );
});

// A restart that was written before it was cancelled read as one that had not been done.
it("does not claim that what was cancelled while it ran had no effect", () => {
  fc.assert(
    fc.property(aTask, (task) => {
      expect(transition(task, { kind: "cancel" }, 1)).toMatchObject({ state: "cancelled", error: null });
      const running = transition(task, { kind: "claim", lease }, 1);
      if (running === undefined) return expect.unreachable();
      expect(transition(running, { kind: "cancel" }, 2)).toMatchObject({ error: { code: "OUTCOME_UNKNOWN" } });
    }),
  );
});
