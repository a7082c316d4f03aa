import { describe, expect, it } from "vitest";
import type { CallGraph } from "#contracts/cognitive.ts";
import type { ActionRecord } from "./action.ts";
import { heldBack } from "./blast-radius.ts";

const NOW = 10_000_000;
const at = (nowMs: number) => () => nowMs;
const limits = { perTargetPerHour: 2 };

const action = (id: string, target: string, changes: Partial<ActionRecord> = {}): ActionRecord =>
  ({
    id,
    target,
    risk: "high",
    skill: "restart-host",
    state: "helped",
    begunAtMs: NOW - 60_000,
    undoTaskId: null,
    ...changes,
  }) as ActionRecord;

/** front → cart → stock; other stands alone. */
const graph = {
  services: ["front", "cart", "stock", "other"].map((service) => ({ service, host: `${service}-host` })),
  edges: [
    { from: "front", to: "cart" },
    { from: "cart", to: "stock" },
  ],
  nowMs: [NOW - 10_000, NOW],
  watchedFromMs: NOW - 1_800_000,
} as unknown as CallGraph;

describe("what is held back", () => {
  const wanted = action("new", "stock-host", { state: "held", begunAtMs: null });

  // Two repairs along one chain at once: neither's effect could be told from the other's.
  it("is an action while another is under way on the same chain of calls", () => {
    const busy = action("old", "front-host", { state: "checking" });
    expect(heldBack(wanted, [busy], graph, limits, at(NOW))).toContain("front-host");
    expect(heldBack(wanted, [{ ...busy, target: "other-host" }], graph, limits, at(NOW))).toBeUndefined();
    expect(heldBack(wanted, [{ ...busy, state: "helped" }], graph, limits, at(NOW))).toBeUndefined();
  });

  // With telemetry away, each repair of a chain was taken for one by itself.
  it("is everything while another is under way and nobody knows who calls whom", () => {
    const busy = action("old", "stock-host", { state: "acting", skill: "scale-host" });
    expect(heldBack(wanted, [busy], null, limits, at(NOW))).toContain("scale-host of it");
    expect(heldBack(wanted, [{ ...busy, target: "other-host" }], null, limits, at(NOW))).toContain("who calls whom");
  });

  // Telemetry had started anew: a chain of which no call had been seen yet was none.
  it.each([null, NOW + 60_000, NOW - 60_000])(
    "is the same while calls are watched from %s on alone",
    (watchedFromMs) => {
      const busy = action("old", "front-host", { state: "checking" });
      const young = { ...graph, edges: [], watchedFromMs };
      expect(heldBack(wanted, [busy], young, limits, at(NOW))).toContain("who calls whom");
    },
  );

  // A command for a service and a restart of its host were done at once.
  it("is what is done to a host while something is to its service, and the other way round", () => {
    const busy = action("old", "front", { state: "checking", skill: "run-command" });
    expect(heldBack(wanted, [busy], graph, limits, at(NOW))).toContain("run-command of front");
    expect(
      heldBack({ ...wanted, target: "stock" }, [{ ...busy, target: "cart-host" }], graph, limits, at(NOW)),
    ).toContain("run-command of cart-host");
    expect(heldBack(wanted, [{ ...busy, target: "other" }], graph, limits, at(NOW))).toBeUndefined();
    const lost = { ...busy, target: "stock", state: "unknown", isLost: true } as const;
    expect(heldBack(wanted, [lost], graph, limits, at(NOW))).toContain("seedcore settle");
  });

  // The coordinator died during a restart, and the next incident restarted the same host again.
  it("is another action on a target while nobody knows whether the last one was done, unlike one whose effect is", () => {
    const lost = action("old", "stock-host", { state: "unknown", isLost: true });
    expect(heldBack(wanted, [lost], graph, limits, at(NOW + 86_400_000))).toContain("seedcore settle");
    expect(heldBack(wanted, [{ ...lost, target: "front-host" }], graph, limits, at(NOW))).toBeUndefined();
    expect(heldBack(wanted, [{ ...lost, isLost: false }], graph, limits, at(NOW))).toBeUndefined();
  });

  it("is another on a target while nobody knows whether the last one was taken back", () => {
    const lost = action("old", "stock-host", { state: "unknown", isLost: true, undoTaskId: "task_2" });
    expect(heldBack(wanted, [lost], graph, limits, at(NOW))).toContain("was taken back is not known (old)");
  });

  it("counts what was begun, whether it was done or not", () => {
    const begun = [action("a", "stock-host", { state: "failed" }), action("b", "stock-host", { state: "unknown" })];
    expect(heldBack(wanted, begun, graph, limits, at(NOW))).toContain("2 actions");
  });

  it("is the third action on a target within the hour, and telling somebody never", () => {
    const done = [action("a", "stock-host"), action("b", "stock-host")];
    expect(heldBack(wanted, done, graph, limits, at(NOW))).toContain("2 actions");
    expect(heldBack(wanted, done, graph, limits, at(NOW + 3_600_000))).toBeUndefined();
    expect(heldBack({ ...wanted, risk: "none" }, done, graph, limits, at(NOW))).toBeUndefined();
  });

  // Two webhooks that have nothing to do with one another waited for each other, and shared one limit.
  describe("of what has no target", () => {
    const call = action("new", "", { rule: "call", skill: "call-http", state: "held", begunAtMs: null });
    const other = action("old", "", { rule: "other", skill: "call-http" });

    it("is nothing by what other rules do, and nothing else by it, whether it is known who calls whom or not", () => {
      const busy = [{ ...other, state: "acting" } as const, action("a", "stock-host", { state: "checking" })];
      const lost = { ...other, state: "unknown", isLost: true } as const;
      for (const known of [graph, null]) {
        expect(heldBack(call, busy, known, limits, at(NOW))).toBeUndefined();
        expect(heldBack(call, [lost, other, { ...other, id: "b" }], known, limits, at(NOW))).toBeUndefined();
        expect(heldBack(wanted, [{ ...call, id: "c", state: "acting" }], known, limits, at(NOW))).toBeUndefined();
      }
    });

    it("is the third within the hour by its rule, and one while another of its rule is under way or lost", () => {
      const own = (id: string, changes: Partial<ActionRecord>) => ({
        ...call,
        id,
        begunAtMs: NOW - 60_000,
        ...changes,
      });
      const done = [own("a", { state: "helped" }), own("b", { state: "failed" })];
      expect(heldBack(call, done, graph, limits, at(NOW))).toBe(
        '2 actions by rule "call" in the last hour are as many as are allowed.',
      );
      expect(heldBack(call, done, graph, limits, at(NOW + 3_600_000))).toBeUndefined();
      expect(heldBack(call, [own("a", { state: "acting" })], graph, limits, at(NOW))).toBe(
        "call-http is under way (a).",
      );
      expect(heldBack(call, [own("a", { state: "unknown", isLost: true })], graph, limits, at(NOW))).toContain(
        "Whether call-http was done is not known (a)",
      );
    });
  });
});
