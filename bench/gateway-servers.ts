/** The servers that bench/gateway.ts compares, each a process of its own: started with its role as the argument. */
import { createServer as createHttpServer } from "node:http";
import { fastify } from "fastify";
import { Pool } from "undici";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure } from "#core/contract.ts";
import { systemIds } from "#core/ids.ts";
import { systemRandom } from "#core/random.ts";
import type { Jwk } from "#runtime/auth/key-pair.ts";
import { audienceOf } from "#runtime/auth/token.ts";
import { createVerifier } from "#runtime/auth/verifier.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { createGateway } from "#runtime/gateway/gateway.ts";
import { Dispatcher } from "#runtime/host/dispatcher.ts";
import { createServer } from "#runtime/host/server.ts";
import { listen } from "#runtime/http/listen.ts";
import { implement, type Service } from "#runtime/service.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createCallMetrics, createRegistry } from "#runtime/telemetry/metrics.ts";

export interface ServerSettings {
  readonly role: "bare" | "host" | "gateway" | "proxy";
  readonly publicKey: Jwk;
  readonly token: string;
  /** Where gateway and proxy send calls. */
  readonly hostAddress: string;
}

const echo = defineContract("echo", {
  summary: "Says what it was told.",
  state: "none",
  procedures: {
    say: procedure({
      summary: "Repeats a text.",
      method: "POST",
      path: "/rooms/{room}/words",
      idempotent: true,
      input: z.object({ room: z.string().min(1), text: z.string().max(1_000), times: z.int().min(1).default(1) }),
      output: z.object({ room: z.string(), words: z.array(z.string()) }),
    }),
  },
});

process.once("message", async (settings: ServerSettings) => {
  process.on("message", () => process.send?.(process.cpuUsage()));
  process.send?.(await SERVERS[settings.role](settings));
});

const LISTEN = { port: 0, host: "127.0.0.1" };
const verifierOf = ({ publicKey }: ServerSettings) => createVerifier(publicKey, audienceOf("bench"), systemClock);

const SERVERS: Readonly<Record<ServerSettings["role"], (settings: ServerSettings) => Promise<string>>> = {
  /** A fastify route behind the same token check. */
  bare(settings) {
    const verifier = verifierOf(settings);
    const app = fastify({ logger: false });
    app.addHook("onRequest", (request, _reply, proceed) => {
      const caller = verifier.verify(request.headers.authorization);
      if (caller instanceof Promise) caller.then(() => proceed(), proceed);
      else proceed();
    });
    app.get("/-/ping", (_request, reply) => reply.send({ ok: true }));
    return app.listen(LISTEN);
  },

  host(settings) {
    const service = implement(echo, {
      say: async ({ room, text, times }) => ({ room, words: Array.from({ length: times }, () => text) }),
    }) as unknown as Service;
    const metrics = createRegistry({});
    const dispatcher: Dispatcher = new Dispatcher(
      [service],
      { maxConcurrency: 256, maxQueue: 1_024, maxDeadlineMs: 60_000 },
      {
        clock: systemClock,
        log: silentLogger,
        metrics: createCallMetrics(metrics, { inFlight: () => 0, queued: () => 0, streams: () => 0 }),
        ownership: { epochOf: () => undefined, failure: () => undefined, refused() {} },
        idempotency: () => undefined,
        self: { subject: "service:bench", scopes: new Set() },
      },
    );
    const deps = {
      dispatcher,
      verifier: verifierOf(settings),
      clock: systemClock,
      ids: systemIds,
      random: systemRandom,
      log: silentLogger,
      metrics,
      isReady: () => true,
    };
    const server = createServer(deps, { replicaId: "host/0@1", maxBodyBytes: 1_000_000, maxJsonDepth: 32 });
    return listen(server, { bindAddress: LISTEN.host, port: LISTEN.port });
  },

  async gateway(settings) {
    const { hostAddress: address, publicKey, token } = settings;
    const replica = { id: "host/0@1", host: "host", version: "1", address, services: ["echo"], weight: 1 };
    const topology = { version: 1, epoch: "e", state: "settled" as const, replicas: [replica] };
    const engine = { kind: "embedded" as const, hosts: [] };
    const front = await createGateway(
      {
        assignment: {
          replicaId: "gateway/0@1",
          spec: HostSpec.parse({ name: "gateway", services: ["gateway"] }),
          namespace: "bench",
          dataDir: "",
          databaseUrl: "",
          bindAddress: LISTEN.host,
          publicKey,
          token,
          config: {},
          topology,
          engine,
        },
        clock: systemClock,
        ids: systemIds,
        random: systemRandom,
        log: silentLogger,
        metrics: createRegistry({ host: "gateway", replica: "gateway/0@1" }),
        topology: { current: () => topology, watch: () => () => {} },
        verifier: verifierOf(settings),
        token: () => token,
        engineStatus: () => engine,
        desiredChanged() {},
        ready() {},
        waiting() {},
        notReady() {},
      },
      [echo],
      "",
    );
    return front.listen();
  },

  /** The least a proxy can do: no token, no routes, no limits. */
  proxy({ hostAddress }) {
    const pool = new Pool(hostAddress);
    const server = createHttpServer((request, response) => {
      const { connection: _connection, host: _host, ...headers } = request.headers;
      pool
        .stream(
          { path: request.url ?? "/", method: request.method as "GET", headers, body: request },
          ({ statusCode, headers: answered }) => {
            delete answered.connection;
            delete answered["keep-alive"];
            return response.writeHead(statusCode, answered);
          },
        )
        .catch(() => response.destroy());
    });
    return new Promise((resolve) => {
      server.listen(LISTEN.port, LISTEN.host, () => {
        const address = server.address();
        resolve(`http://${LISTEN.host}:${typeof address === "object" ? address?.port : ""}`);
      });
    });
  },
};
