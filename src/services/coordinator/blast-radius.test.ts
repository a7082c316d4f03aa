import { describe, expect, it } from "vitest";
import type { CallGraph } from "#contracts/cognitive.ts";
import type { ActionRecord } from "./action.ts";
import { heldBack } from "./blast-radius.ts";

const NOW = 10_000_000;
const limits = { perTargetPerHour: 2 };

const action = (id: string, target: string, changes: Partial<ActionRecord> = {}): ActionRecord =>
  ({
    id,
    target,
    risk: "high",
    skill: "restart-host",
    state: "helped",
    actedAtMs: NOW - 60_000,
    ...changes,
  }) as ActionRecord;

/** front → cart → stock; other stands alone. */
const graph = {
  services: ["front", "cart", "stock", "other"].map((service) => ({ service, host: `${service}-host` })),
  edges: [
    { from: "front", to: "cart" },
    { from: "cart", to: "stock" },
  ],
} as unknown as CallGraph;

describe("what is held back", () => {
  const wanted = action("new", "stock-host", { state: "held", actedAtMs: null });

  // Two repairs along one chain at once: neither's effect could be told from the other's.
  it("is an action while another is under way on the same chain of calls", () => {
    const busy = action("old", "front-host", { state: "checking" });
    expect(heldBack(wanted, [busy], graph, limits, NOW)).toContain("front-host");
    expect(heldBack(wanted, [{ ...busy, target: "other-host" }], graph, limits, NOW)).toBeUndefined();
    expect(heldBack(wanted, [{ ...busy, state: "helped" }], graph, limits, NOW)).toBeUndefined();
  });

  it("is the opposite of what another incident does to the same target, with no graph too", () => {
    const busy = action("old", "stock-host", { state: "acting", skill: "scale-host" });
    expect(heldBack(wanted, [busy], null, limits, NOW)).toContain("scale-host");
  });

  it("is the third action on a target within the hour, and telling somebody never", () => {
    const done = [action("a", "stock-host"), action("b", "stock-host")];
    expect(heldBack(wanted, done, graph, limits, NOW)).toContain("2 actions");
    expect(heldBack(wanted, done, graph, limits, NOW + 3_600_000)).toBeUndefined();
    expect(heldBack({ ...wanted, risk: "none" }, done, graph, limits, NOW)).toBeUndefined();
  });
});
