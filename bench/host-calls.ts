/** Validated calls per second of one host, and of bare fastify, on one core: `scripts/run.sh bench/host-calls.ts`. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure } from "#core/contract.ts";
import { systemIds } from "#core/ids.ts";
import { systemRandom } from "#core/random.ts";
import { createKeyPair } from "#runtime/auth/key-pair.ts";
import { audienceOf, mintToken } from "#runtime/auth/token.ts";
import { createVerifier } from "#runtime/auth/verifier.ts";
import { Dispatcher } from "#runtime/host/dispatcher.ts";
import { createServer } from "#runtime/host/server.ts";
import { listen } from "#runtime/http/listen.ts";
import { implement, type Service } from "#runtime/service.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createCallMetrics, createRegistry } from "#runtime/telemetry/metrics.ts";

const points = defineContract("points", {
  summary: "Points.",
  state: "none",
  procedures: {
    put: procedure({
      summary: "Puts.",
      method: "POST",
      path: "/sources/{source}/points",
      idempotent: true,
      input: z.object({ source: z.string(), value: z.number(), tags: z.array(z.string()).default([]) }),
      output: z.object({ accepted: z.int(), source: z.string() }),
    }),
    get: procedure({
      summary: "Gets.",
      method: "GET",
      path: "/sources/{source}",
      input: z.object({ source: z.string(), limit: z.coerce.number().int().default(10) }),
      output: z.object({ source: z.string(), limit: z.int() }),
    }),
  },
});

const SECONDS = 4;

if (process.send) await serve();
else await measure();

async function serve(): Promise<void> {
  const pair = createKeyPair();
  const token = await mintToken(pair.privateJwk, {
    subject: "bench",
    scopes: ["read", "operate"],
    namespace: "bench",
    ttlMs: 3_600_000,
  });
  const verifier = createVerifier(pair.publicJwk, audienceOf("bench"), systemClock);
  const service = implement(points, {
    put: async ({ source, tags }) => ({ accepted: tags.length, source }),
    get: async ({ source, limit }) => ({ source, limit }),
  }) as unknown as Service;
  const registry = createRegistry({});
  const dispatcher: Dispatcher = new Dispatcher(
    [service],
    { maxConcurrency: 256, maxQueue: 1024, maxDeadlineMs: 60_000 },
    {
      clock: systemClock,
      log: silentLogger,
      metrics: createCallMetrics(registry, { inFlight: () => 0, queued: () => 0, streams: () => 0 }),
      ownership: { epochOf: () => undefined, failure: () => undefined, refused() {} },
      idempotency: () => undefined,
      self: { subject: "service:bench", scopes: new Set() },
    },
  );
  const server = createServer(
    {
      dispatcher,
      verifier,
      clock: systemClock,
      ids: systemIds,
      random: systemRandom,
      log: silentLogger,
      metrics: registry,
      isReady: () => true,
    },
    { replicaId: "bench/0@1", maxBodyBytes: 1_000_000, maxJsonDepth: 32 },
  );
  const { fastify } = await import("fastify");
  const bare = fastify({ logger: false });
  bare.addHook("onRequest", async (request) => void (await verifier.verify(request.headers.authorization)));
  bare.post("/points/sources/:source/points", async (request) => ({
    accepted: 0,
    source: (request.params as { source: string }).source,
  }));
  bare.get("/points/sources/:source", async (request) => ({
    source: (request.params as { source: string }).source,
    limit: 10,
  }));
  const host = await listen(server, { port: 0, bindAddress: "127.0.0.1" });
  const plain = await bare.listen({ port: 0, host: "127.0.0.1" });
  process.on("message", (message) => {
    if (message === "cpu") process.send?.({ cpu: process.cpuUsage() });
  });
  process.send?.({ host, plain, token });
}

async function measure(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url));
  const hello = await next<{ host: string; plain: string; token: string }>();
  for (const round of ["warm-up", "measured"]) {
    for (const [name, address] of Object.entries({ host: hello.host, bare: hello.plain })) {
      for (const method of ["POST", "GET"] as const) {
        const { calls, cpuUs } = await load(address, method, hello.token);
        if (round === "measured") {
          const perCallUs = cpuUs / calls;
          console.log(
            `${name.padEnd(5)} ${method.padEnd(5)} ${Math.round(calls / SECONDS)} calls/s  ` +
              `${perCallUs.toFixed(1)} us of processor a call = ${Math.round(1e6 / perCallUs)} calls/s on one core`,
          );
        }
      }
    }
  }
  child.kill();

  function next<T>(): Promise<T> {
    return new Promise((resolve) => child.once("message", (message) => resolve(message as T)));
  }

  async function cpu(): Promise<number> {
    child.send("cpu");
    const { cpu: used } = await next<{ cpu: NodeJS.CpuUsage }>();
    return used.user + used.system;
  }

  async function load(address: string, method: "GET" | "POST", token: string) {
    const pool = new Pool(address, { connections: 32, pipelining: 4 });
    const headers = {
      authorization: `Bearer ${token}`,
      "x-seedcore-deadline-ms": "4900",
      "x-correlation-id": "bench",
      ...(method === "POST" ? { "content-type": "application/json" } : {}),
    };
    const body = method === "POST" ? '{"value":1.5,"tags":["a","b"]}' : null;
    const path = method === "POST" ? "/points/sources/s1/points" : "/points/sources/s1?limit=3";
    const before = await cpu();
    const endAt = performance.now() + SECONDS * 1_000;
    let calls = 0;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (performance.now() < endAt) {
          const answer = await pool.request({ method, path, headers, body });
          await answer.body.dump();
          if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}`);
          calls++;
        }
      }),
    );
    const cpuUs = (await cpu()) - before;
    await pool.close();
    return { calls, cpuUs };
  }
}
