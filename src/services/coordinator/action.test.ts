import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ActionEvent, type ActionRecord, afterEvent, isEnded } from "./action.ts";

const action: ActionRecord = {
  id: "act_1",
  incidentId: "inc_1",
  rule: "restart",
  skill: "restart-host",
  target: "cart",
  params: { host: "cart" },
  mode: "propose",
  state: "proposed",
  reason: "",
  wouldBegin: false,
  cause: null,
  predictedDeltaE: null,
  measuredDeltaE: null,
  taskId: null,
  undoTaskId: null,
  checkedSeries: ["services/cart/latency"],
  decidedBy: null,
  createdAtMs: 0,
  expiresAtMs: 1_000,
  actedAtMs: null,
  endedAtMs: null,
  risk: "high",
  undo: null,
  rawConfidence: null,
  recalled: [],
};

function through(events: readonly ActionEvent[], from: ActionRecord = action, nowMs = 500) {
  return events.reduce<ActionRecord | undefined>((one, event) => one && afterEvent(one, event, nowMs), from);
}

const begin = { kind: "begin", taskId: "t", by: "ada", undo: null } as const satisfies ActionEvent;
const CONFIRMED = { state: "confirmed", evidence: "Seen." } as const;
const UNDO = { skill: "scale-host", params: {} };
const executed: ActionEvent = { kind: "executed", taskId: "t", undo: UNDO, effect: CONFIRMED };
const useless: ActionEvent = { kind: "checked", verdict: "useless", evidence: "It is at 9." };

describe("an action", () => {
  it("is approved, done, looked at, and has helped", () => {
    const ended = through([begin, executed, { kind: "checked", verdict: "helped", evidence: "Routine." }]);
    expect(ended).toMatchObject({ state: "helped", decidedBy: "ada", actedAtMs: 500, endedAtMs: 500 });
  });

  // A person who comes back from lunch must not start what was meant for an hour ago.
  it("cannot be approved late, twice, or after it was rejected", () => {
    expect(afterEvent(action, begin, 1_000)).toBeUndefined();
    expect(through([begin, begin])).toBeUndefined();
    expect(through([{ kind: "reject", by: "bob", reason: "" }, begin])).toBeUndefined();
    expect(afterEvent(action, { kind: "expire" }, 999)).toBeUndefined();
    expect(afterEvent(action, { kind: "expire" }, 1_000)?.state).toBe("expired");
  });

  it("that did not help is taken back by a task of its own, and by no other", () => {
    const undoing = through([begin, executed, useless, { kind: "undo", taskId: "u" }]);
    expect(undoing?.state).toBe("undoing");
    expect(through([executed], undoing)).toBeUndefined();
    expect(through([{ ...executed, taskId: "u" }], undoing)?.state).toBe("undone");
    expect(through([{ kind: "task-failed", taskId: "u", message: "no", hasBegun: true }], undoing)?.state).toBe(
      "useless",
    );
  });

  // It read as if the effect were still there, which nobody knows, and the next repair of its target went ahead.
  it("is unknown while nobody saw whether it was taken back, until a person has looked", () => {
    const undoing = through([begin, executed, useless, { kind: "undo", taskId: "u" }]);
    const lost = through([{ kind: "task-lost", taskId: "u" }], undoing);
    expect(lost).toMatchObject({ state: "unknown", isLost: true, reason: expect.stringContaining("Nobody saw") });
    const settled = through([{ kind: "settle", outcome: "useless", by: "ada" }], lost);
    expect(settled).toMatchObject({ state: "useless", endedAtMs: 500 });
    // Never blindly a second time.
    expect(through([{ kind: "undo", taskId: "v" }], settled)).toBeUndefined();
  });

  it("is taken back when what holds that is over, or is not", () => {
    const held = through([begin, executed, useless, { kind: "undo-held", why: "Maintenance." }]);
    expect(held).toMatchObject({ state: "undoing", undoTaskId: null, endedAtMs: null });
    expect(through([{ kind: "undo-held", why: "Maintenance." }], held)).toBeUndefined();
    expect(through([{ kind: "undo", taskId: "u" }], held)).toMatchObject({ state: "undoing", undoTaskId: "u" });
    const stays = through([{ kind: "undo-given-up", why: "Observe." }], held);
    expect(stays).toMatchObject({ state: "useless", endedAtMs: 500, reason: expect.stringContaining("Observe.") });
    expect(
      through([
        { kind: "undo-held", why: "" },
        { kind: "undo-given-up", why: "" },
      ]),
    ).toBeUndefined();
  });

  // Nobody knows whether it ran: repeating it blindly could do it twice.
  it("whose executor died is unknown until its series or a person say what became of it", () => {
    const checking = through([begin, { kind: "task-lost", taskId: "t" }]);
    expect(checking).toMatchObject({ state: "checking", actedAtMs: 500, undo: null });
    const known = through([
      { ...begin, undo: UNDO },
      { kind: "task-lost", taskId: "t" },
    ]);
    expect(known).toMatchObject({ state: "checking", undo: UNDO });
    const helped = through([{ kind: "checked", verdict: "helped", evidence: "Routine." }], checking);
    expect(helped).toMatchObject({ state: "helped", reason: "Nobody saw it done. Routine." });
    const unknown = through([{ kind: "checked", verdict: "unsure", evidence: "Too few." }], checking);
    expect(unknown).toMatchObject({ state: "unknown", endedAtMs: null });
    expect(through([begin], unknown)).toBeUndefined();
    expect(through([{ kind: "settle", outcome: "helped", by: "ada" }], unknown)?.state).toBe("helped");
    const plain = through([begin, { kind: "task-lost", taskId: "t" }], { ...action, checkedSeries: [] });
    expect(plain?.state).toBe("unknown");
  });

  // A silence was looked at as if it could make series routine again, was of no use, and was taken back while they burned.
  it.each([
    ["confirmed", "done"],
    ["absent", "failed"],
    ["unknown", "unknown"],
  ] as const)("that repairs nothing and whose effect is %s is %s", (state, ends) => {
    const silence = { ...action, skill: "silence", checkedSeries: [] };
    const done = through([begin, { ...executed, effect: { state, evidence: "Listed." } }], silence);
    expect(done).toMatchObject({ state: ends, undo: UNDO });
    expect(through([useless], done)).toBeUndefined();
  });

  // Only what was done counted against the limit: failing restarts could follow one another without end.
  it("counts as begun from its task on, however that ends, unless it was cancelled before an attempt", () => {
    const failed = (hasBegun: boolean): ActionEvent => ({ kind: "task-failed", taskId: "t", message: "no", hasBegun });
    expect(through([begin, failed(true)])).toMatchObject({ state: "failed", begunAtMs: 500, actedAtMs: null });
    expect(through([begin, failed(false)])).toMatchObject({ state: "failed", begunAtMs: null });
  });

  it("never leaves a final state, whatever happens", () => {
    const anEvent: fc.Arbitrary<ActionEvent> = fc.oneof(
      fc.constantFrom(begin, executed, useless, { kind: "expire" } as const),
      fc.record({ kind: fc.constant("undo" as const), taskId: fc.constantFrom("t", "u") }),
      fc.record({ kind: fc.constantFrom("undo-held" as const, "undo-given-up" as const), why: fc.constant("w") }),
      fc.record({ kind: fc.constant("reject" as const), by: fc.constant("bob"), reason: fc.constant("") }),
      fc.record({
        kind: fc.constant("task-failed" as const),
        taskId: fc.constantFrom("t", "u"),
        message: fc.constant("m"),
        hasBegun: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("task-lost" as const), taskId: fc.constantFrom("t", "u") }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(anEvent, fc.nat(2_000)), { maxLength: 12 }), (events) => {
        let one: ActionRecord = action;
        for (const [event, nowMs] of events) {
          const next = afterEvent(one, event, nowMs);
          // Useless is final unless it is taken back.
          if (isEnded(one) && one.state !== "useless") expect(next).toBeUndefined();
          if (next === undefined) continue;
          expect(next.endedAtMs === null).toBe(!isEnded(next));
          one = next;
        }
      }),
    );
  });
});
