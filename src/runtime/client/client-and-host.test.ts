import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure } from "#core/contract.ts";
import { systemRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeTopology, fakeReplica } from "#testing/fake-topology.ts";
import { type Call, currentCall } from "../call.ts";
import { Dispatcher } from "../host/dispatcher.ts";
import { createServer } from "../host/server.ts";
import { listen } from "../http/listen.ts";
import { implement, type Service } from "../service.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { createCallMetrics, createRegistry } from "../telemetry/metrics.ts";
import type { Client } from "./client.ts";
import { createClient } from "./create-client.ts";
import { createDirectTransport } from "./direct-transport.ts";

const probe = defineContract("probe", {
  summary: "Shows what arrives.",
  state: "none",
  procedures: {
    look: procedure({
      summary: "The input as the handler has it.",
      method: "GET",
      path: "/looks/{name}",
      input: z.object({
        name: z.string(),
        count: z.coerce.number().default(1),
        tags: z.array(z.string()).default([]),
        note: z.string().optional(),
      }),
      output: z.object({ name: z.string(), count: z.number(), tags: z.array(z.string()), note: z.string().optional() }),
    }),
    store: procedure({
      summary: "The same with a body.",
      method: "PUT",
      path: "/looks/{name}",
      input: z.object({ name: z.string(), data: z.record(z.string(), z.json()) }),
      output: z.object({ name: z.string(), data: z.record(z.string(), z.json()) }),
      errors: { FULL: z.object({ size: z.int() }) },
    }),
    hang: procedure({
      summary: "Until it is cancelled.",
      method: "POST",
      path: "/hang",
      input: z.object({}),
      output: z.object({}),
    }),
    follow: procedure({
      summary: "Numbers.",
      method: "GET",
      path: "/follow",
      input: z.object({ fail: z.string().optional() }),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
  },
});

let seen: Call[];
let ended: Promise<unknown>;
let client: Client<typeof probe>;
let close: () => Promise<void>;

beforeEach(async () => {
  seen = [];
  let end = (_reason: unknown) => {};
  ended = new Promise((resolve) => (end = resolve));
  const service = implement(probe, {
    look: async (input) => input,
    async store(input, { fail }) {
      if (input.name === "full") throw fail("FULL", { size: 3 });
      const call = currentCall();
      if (call !== undefined) seen.push(call);
      return input;
    },
    hang: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          end(signal.reason);
          reject(signal.reason as Error);
        });
      }),
    async *follow({ fail }, { signal }) {
      signal.addEventListener("abort", () => end(signal.reason));
      for (let n = 0; ; n++) {
        if (n === 2 && fail !== undefined) throw new ServiceError("STORAGE", fail);
        yield { n };
        await new Promise(setImmediate);
      }
    },
  }) as unknown as Service;
  const metrics = createRegistry({});
  const dispatcher = new Dispatcher(
    [service],
    { maxConcurrency: 8, maxQueue: 8, maxDeadlineMs: 60_000 },
    {
      clock: systemClock,
      log: silentLogger,
      metrics: createCallMetrics(metrics, { inFlight: () => 0, queued: () => 0, streams: () => 0 }),
      ownership: { epochOf: () => undefined, failure: () => undefined, refused() {} },
      idempotency: () => undefined,
      self: { subject: "service:test", scopes: new Set() },
    },
  );
  const server = createServer(
    {
      dispatcher,
      verifier: { verify: () => ({ subject: "ada", scopes: new Set(["admin"]) }) },
      clock: systemClock,
      ids: createCountingIds(),
      random: systemRandom,
      log: silentLogger,
      metrics,
      isReady: () => true,
    },
    { replicaId: "probe/0@1", maxBodyBytes: 100_000, maxJsonDepth: 32 },
  );
  const address = await listen(server, { bindAddress: "127.0.0.1", port: 0 });
  const topology = createFakeTopology([fakeReplica("probe/0@1", "probe", address)]);
  const transport = createDirectTransport({ topology, token: () => "t" });
  client = createClient(probe, { transport });
  close = async () => {
    await transport.close();
    server.close();
    server.closeAllConnections();
  };
});

afterEach(() => close());

test("what is sent arrives as it was: odd names, lists of none, one and two, text that looks like something else", async () => {
  for (const input of [
    { name: "a/b?c#d e%20ü", count: 2.5, tags: ["x"], note: "1" },
    { name: "..", count: 1, tags: ["a&b", "c=d"], note: "" },
    { name: "x", count: -0.1, tags: [] },
  ]) {
    await expect(client.look(input)).resolves.toEqual(input);
  }
  const data = { list: [1, null, "ü\u2028"], nested: { a: { b: [] } }, empty: "" };
  await expect(client.store({ name: "a/b", data })).resolves.toEqual({ name: "a/b", data });
});

test("the handler's call carries the caller, the deadline, the correlation id and the trace", async () => {
  await client.store({ name: "n", data: {} }, { deadlineMs: 3_000, priority: "critical" });
  const [call] = seen;
  expect(call).toMatchObject({ caller: { subject: "ada" }, priority: "critical", procedure: "store" });
  expect(call?.correlationId).toMatch(/^cor_/);
  expect(call?.trace.traceId).toMatch(/^[0-9a-f]{32}$/);
  const leftMs = (call?.deadlineAtMs ?? 0) - systemClock.monotonic();
  expect(leftMs).toBeGreaterThan(0);
  expect(leftMs).toBeLessThanOrEqual(3_000);
});

test("a declared error arrives typed, others as errors with their codes", async () => {
  await expect(client.store.try({ name: "full", data: {} })).resolves.toMatchObject({
    ok: false,
    error: { code: "FULL", data: { size: 3 } },
  });
  await expect(client.store({ name: "n", data: { big: "x".repeat(200_000) } })).rejects.toMatchObject({
    code: "TOO_LARGE",
    started: "no",
  });
});

test("a cancelled call and one past its deadline end at the handler", async () => {
  const stop = new AbortController();
  const pending = client.hang({}, { signal: stop.signal });
  setTimeout(() => stop.abort(), 20);
  await expect(pending).rejects.toMatchObject({ code: "CANCELLED" });
  expect(await ended).toMatchObject({ code: "CANCELLED" });
});

test("a stream ends at the handler when its reader leaves, and carries the handler's error", async () => {
  for await (const { n } of client.follow({})) if (n === 3) break;
  await ended;
  const numbers: number[] = [];
  const reading = (async () => {
    for await (const { n } of client.follow({ fail: "disk full" })) numbers.push(n);
  })();
  await expect(reading).rejects.toMatchObject({ code: "STORAGE", message: "disk full" });
  expect(numbers).toEqual([0, 1]);
});
