import { expect, it } from "vitest";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { createCallHistory } from "./call-history.ts";

const host = (name: string) => ({
  spec: { name, services: [name], replicas: 1, contracts: [{ name }] },
  replicas: [{ state: { kind: "ready" } }],
});
/** Of the organism's own: what it calls is not counted. */
const core = { spec: { name: "core", services: ["core"], replicas: 1, contracts: [] }, replicas: [] };
const status = {
  kind: "embedded",
  hosts: [host("cart"), host("stock"), host("idle"), core],
} as unknown as EngineStatus;

function history(slowFromS: number) {
  const calls = createCallHistory();
  for (let i = 0; i <= 100; i++) {
    const stockMs = i > slowFromS ? 100 : 4;
    calls.add({
      atMs: i * 1_000,
      services: new Map([
        ["cart", { requests: 10, errors: 1, latencySumMs: 10 * (3 + stockMs), waitedSumMs: 10 * stockMs }],
        ["stock", { requests: 10, errors: 1, latencySumMs: 10 * stockMs, waitedSumMs: 0 }],
        ["core", { requests: 1, errors: 0, latencySumMs: 9, waitedSumMs: 0 }],
      ]),
      edges: new Map([
        ["cart", new Map([["stock", { requests: 10, errors: 1, latencySumMs: 10 * stockMs, waitedSumMs: 0 }]])],
      ]),
      memoryMb: new Map([["cart", 80]]),
    });
  }
  return calls;
}

// Without this a caller would look as slow as the one it waits for.
it("tells a service's own time and errors from those of what it calls", () => {
  const graph = history(90).graph(status, { atMs: 100_000, sinceMs: 91_000, nowS: 5, beforeS: 60 });
  const of = (name: string) => graph.services.find(({ service }) => service === name);
  expect(of("cart")).toMatchObject({ isOwn: true, replicas: { ready: 1, wanted: 1 } });
  expect(of("cart")?.now).toMatchObject({
    latencyMs: 103,
    selfLatencyMs: 3,
    errorsPerS: 1,
    selfErrorsPerS: 0,
    memoryMb: 80,
  });
  expect(of("stock")?.before.selfLatencyMs).toBe(4);
  expect(of("stock")?.now.selfLatencyMs).toBe(100);
  expect(of("core")?.now).toMatchObject({ latencyMs: 9, selfLatencyMs: null, selfErrorsPerS: null });
  expect(graph.edges).toHaveLength(1);
  expect(graph.edges[0]).toMatchObject({ from: "cart", to: "stock", now: { callsPerS: 10, latencyMs: 100 } });
});

it("ends what was before where the first thing moved, and invents nothing", () => {
  const graph = history(40).graph(status, { atMs: 100_000, sinceMs: 41_000, nowS: 5, beforeS: 20 });
  expect(graph.services.find(({ service }) => service === "stock")?.before.selfLatencyMs).toBeLessThan(10);
  const idle = graph.services.find(({ service }) => service === "idle");
  expect(idle?.now).toEqual({
    requestsPerS: null,
    errorsPerS: null,
    latencyMs: null,
    selfErrorsPerS: null,
    selfLatencyMs: null,
    memoryMb: null,
  });
});

// Half of its time away, the caller had twice the calls that its edges had.
it("counts a caller's edges over the same time as its calls", () => {
  const calls = createCallHistory();
  const load = { requests: 10, errors: 1, latencySumMs: 40, waitedSumMs: 0 };
  for (let i = 1; i <= 10; i++) {
    calls.add({
      atMs: i * 1_000,
      services: new Map(i % 2 === 0 ? [["cart", load]] : []),
      edges: new Map(i % 2 === 0 ? [["cart", new Map([["stock", load]])]] : []),
      memoryMb: new Map(),
    });
  }
  const graph = calls.graph(status, { atMs: 10_000, sinceMs: undefined, nowS: 10, beforeS: 10 });
  expect(graph.services.find(({ service }) => service === "cart")?.now.requestsPerS).toBe(10);
  expect(graph.edges[0]?.now).toMatchObject({ callsPerS: 10, errorsPerS: 1 });
});

it("keeps half an hour", () => {
  const calls = createCallHistory();
  const add = (atMs: number) =>
    calls.add({
      atMs,
      services: new Map([["cart", { requests: 1, errors: 0, latencySumMs: 1, waitedSumMs: 0 }]]),
      edges: new Map(),
      memoryMb: new Map(),
    });
  add(0);
  add(31 * 60_000);
  const graph = calls.graph(status, { atMs: 31 * 60_000, sinceMs: undefined, nowS: 10, beforeS: 1_800 });
  expect(graph.services.find(({ service }) => service === "cart")?.before.requestsPerS).toBeNull();
});

// What knows nothing yet looked like a world in which nobody calls anybody.
it("says since when it has watched", () => {
  const window = { atMs: 100_000, sinceMs: undefined, nowS: 5, beforeS: 60 };
  expect(createCallHistory().graph(status, window).watchedFromMs).toBeNull();
  expect(history(90).graph(status, window).watchedFromMs).toBe(0);
});
