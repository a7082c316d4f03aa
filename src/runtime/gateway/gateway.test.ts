import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import { type AddressInfo, connect as connectSocket, Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure, type Scope } from "#core/contract.ts";
import { ServiceError, toProblem } from "#core/service-error.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeTopology, type FakeTopology, fakeReplica } from "#testing/fake-topology.ts";
import { createKeyPair } from "../auth/key-pair.ts";
import { audienceOf, mintToken } from "../auth/token.ts";
import { createVerifier } from "../auth/verifier.ts";
import { createClient } from "../client/create-client.ts";
import { createGatewayTransport } from "../client/gateway-transport.ts";
import { followTopology } from "../client/topology-follower.ts";
import { HostSpec } from "../engine/host-spec.ts";
import type { Front } from "../host/front.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { createRegistry } from "../telemetry/metrics.ts";
import { createGateway } from "./gateway.ts";

const store = defineContract("store", {
  summary: "Keeps things.",
  state: "none",
  procedures: {
    get: procedure({
      summary: "One thing.",
      method: "GET",
      path: "/things/{id}",
      input: z.object({ id: z.string() }),
      output: z.object({ id: z.string() }),
    }),
    put: procedure({
      summary: "Stores a thing.",
      method: "POST",
      path: "/things",
      input: z.object({ text: z.string() }),
      output: z.object({ by: z.string() }),
      deadlineMs: 2_000,
    }),
    live: procedure({
      summary: "Things as they come.",
      method: "GET",
      path: "/live",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
  },
});

const pair = createKeyPair();
const cleanups: (() => unknown)[] = [];
let topology: FakeTopology;
const pageFolder = mkdtempSync(join(tmpdir(), "seedcore-page-"));
mkdirSync(join(pageFolder, "assets"));
writeFileSync(join(pageFolder, "index.html"), "<!doctype html><title>Page</title>");
writeFileSync(join(pageFolder, "assets", "index-1.js"), "let a");
writeFileSync(join(pageFolder, "assets", "index-1.js.br"), brotliCompressSync("let a"));
writeFileSync(join(pageFolder, "assets", "index-1.js.gz"), gzipSync("let a"));
afterAll(() => rmSync(pageFolder, { recursive: true }));
let gateway: Front;
let url: string;
let token: string;

beforeEach(async () => {
  topology = createFakeTopology();
  token = await tokenWith(["read", "operate"]);
  gateway = await createGateway(
    {
      assignment: {
        replicaId: "gateway/0@1",
        spec: HostSpec.parse({ name: "gateway", services: ["gateway"], maxBodyBytes: 300_000 }),
        namespace: "test",
        dataDir: "",
        databaseUrl: "",
        bindAddress: "127.0.0.1",
        nodeAddress: "10.0.0.7",
        publicKey: pair.publicJwk,
        token,
        config: { gateway: { allowedHosts: ["seed.example"] } },
        topology: topology.current(),
        engine: { kind: "embedded", hosts: [] },
      },
      clock: systemClock,
      ids: createCountingIds(),
      random: { next: () => 0 },
      log: silentLogger,
      metrics: createRegistry({ host: "gateway", replica: "gateway/0@1" }),
      topology,
      verifier: createVerifier(pair.publicJwk, audienceOf("test"), systemClock),
      token: () => token,
      engineStatus: () => ({ kind: "embedded", hosts: [] }),
      desiredChanged() {},
      waiting() {},
      ready() {},
      notReady() {},
    },
    [store],
    pageFolder,
  );
  url = await gateway.listen();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await gateway.close();
});

function tokenWith(scopes: readonly Scope[]): Promise<string> {
  return mintToken(pair.privateJwk, { subject: "ada", scopes, namespace: "test", ttlMs: 60_000 });
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly json: () => { code?: string; data?: unknown; started?: string } & Record<string, unknown>;
}

function ask(path: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send(`${url}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...headers } });
    request.on("error", reject);
    request.on("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, text, json: () => JSON.parse(text) as never });
      });
    });
    request.end(body);
  });
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A replica of the store; it is in the topology only when the test puts it there. */
async function replica(id: string, handler: Handler) {
  const seen: { readonly request: IncomingMessage; readonly body: Buffer }[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      seen.push({ request, body });
      handler(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, seen, replica: fakeReplica(id, "store", address) };
}

const stored =
  (by: string): Handler =>
  (_request, response) =>
    void response
      .writeHead(200, { "content-type": "application/json", "x-seedcore-load": "1/8" })
      .end(JSON.stringify({ by }));
const refusing =
  (code: string, retryAfterMs?: number): Handler =>
  (_request, response) => {
    const error = new ServiceError(code, "no", retryAfterMs === undefined ? {} : { retryAfterMs });
    response
      .writeHead(error.status, { "content-type": "application/problem+json" })
      .end(JSON.stringify(toProblem(error)));
  };
const post = (body: string | Buffer, headers: Record<string, string> = {}): Ask => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json", ...headers },
});

describe("the door", () => {
  test("is shut without a valid token, for services and its own addresses; health and readiness are open and empty", async () => {
    for (const path of [
      "/store/things/1",
      "/-/ping",
      "/-/topology",
      "/-/live?of=/store/things/1",
      "/metrics",
      "/openapi.json",
      "/docs",
      "/nothing",
    ]) {
      for (const authorization of ["", "Bearer x.y.z", "Basic abc"]) {
        const answer = await ask(path, { headers: { authorization } });
        expect(answer.status, `${path} with "${authorization}"`).toBe(401);
        expect(answer.json()).toMatchObject({ code: "UNAUTHENTICATED", started: "no" });
        expect(answer.headers["www-authenticate"]).toBe("Bearer");
      }
    }
    for (const path of ["/-/health", "/-/ready"]) {
      expect(await ask(path, { headers: { authorization: "" } })).toMatchObject({ status: 200, text: "" });
    }
  });

  test("answers to loopback's names and the configured ones, not to a name that was pointed at it", async () => {
    const { port } = new URL(url);
    for (const host of [
      `localhost:${port}`,
      "127.0.0.1",
      `[::1]:${port}`,
      "10.0.0.7:7700",
      "seed.example",
      "SEED.example:80",
    ]) {
      expect((await ask("/-/ping", { headers: { host } })).status, host).toBe(200);
    }
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"]) {
      for (const path of ["/-/ping", "/store/things/1", "/-/health"]) {
        const answer = await ask(path, { headers: { host } });
        expect(answer.status, `${host} ${path}`).toBe(421);
        expect(answer.json()).toMatchObject({ code: "MISDIRECTED" });
      }
    }
    await gateway.reconfigure({ gateway: { allowedHosts: ["other.example"] } });
    expect((await ask("/-/ping", { headers: { host: "other.example" } })).status).toBe(200);
    expect((await ask("/-/ping", { headers: { host: "10.0.0.7" } })).status).toBe(200);
    expect((await ask("/-/ping", { headers: { host: "seed.example" } })).status).toBe(421);
  });

  test("lets pages of its own origin in and no others", async () => {
    const { host } = new URL(url);
    expect((await ask("/-/ping", { headers: { origin: `http://${host}` } })).status).toBe(200);
    for (const origin of ["http://evil.example", "http://localhost:1", "null", `http://${host}.evil.example`]) {
      const answer = await ask("/store/things/1", { headers: { origin } });
      expect(answer.status, origin).toBe(403);
    }
  });

  test("says what there is: services, the service's routes, the allowed methods", async () => {
    expect((await ask("/shop/x")).json()).toMatchObject({ code: "NOT_FOUND", data: { services: ["store"] } });
    expect((await ask("/store/x")).json()).toMatchObject({
      code: "NOT_FOUND",
      data: { routes: expect.arrayContaining(["POST /store/things"]) },
    });
    const wrong = await ask("/store/things", { method: "DELETE" });
    expect(wrong).toMatchObject({ status: 405, headers: { allow: "POST" } });
    // What is a host's own stays out of reach.
    const host = await replica("a", stored("a"));
    topology.set([host.replica]);
    for (const path of ["/store/../-/metrics", "/store/%2e%2e/-/load", "//store/things/1"]) await ask(path);
    expect(host.seen).toHaveLength(0);
  });
});

describe("a call", () => {
  test("reaches the replica byte by byte with the caller's own token, and so does its answer", async () => {
    const answered = Buffer.from('{"by": "héllo",  "odd":  [1,2 ]}');
    const host = await replica("a", (_request, response) => {
      response.writeHead(201, { "content-type": "application/x-odd", "x-seedcore-replica": "a", "x-own": "7" });
      response.write(answered.subarray(0, 9));
      setImmediate(() => response.end(answered.subarray(9)));
    });
    topology.set([host.replica]);
    const sent = '{ "text" : "ü" }';
    const answer = await ask("/store/things?a=b%20c", {
      method: "POST",
      body: sent,
      headers: {
        "content-type": "application/json",
        "x-correlation-id": "cor_mine",
        "x-seedcore-deadline-ms": "900",
        "idempotency-key": "k1",
        cookie: "secret=1",
        "x-forwarded-for": "1.2.3.4",
      },
    });
    expect(answer).toMatchObject({
      status: 201,
      text: answered.toString(),
      headers: { "content-type": "application/x-odd", "x-seedcore-replica": "a", "x-own": "7" },
    });
    const [seen] = host.seen;
    expect(seen?.request.url).toBe("/store/things?a=b%20c");
    expect(seen?.body.toString()).toBe(sent);
    expect(seen?.request.headers).toMatchObject({
      authorization: `Bearer ${token}`,
      "x-correlation-id": "cor_mine",
      "idempotency-key": "k1",
    });
    expect(Number(seen?.request.headers["x-seedcore-deadline-ms"])).toBeLessThanOrEqual(900);
    expect(seen?.request.headers).not.toHaveProperty("cookie");
    expect(seen?.request.headers).not.toHaveProperty("x-forwarded-for");
  });

  test("problems pass through as they are", async () => {
    const host = await replica("a", refusing("STORAGE"));
    topology.set([host.replica]);
    expect((await ask("/store/things", post("{}"))).json()).toMatchObject({ code: "STORAGE", detail: "no" });
    expect(host.seen).toHaveLength(1);
  });

  test("large bodies are streamed both ways, whole", async () => {
    const big = "x".repeat(200_000);
    const host = await replica("a", (_request, response, body) => void response.end(body));
    topology.set([host.replica]);
    expect((await ask("/store/things", post(big))).text).toBe(big);
    const chunked = await ask("/store/things", post(big, { "transfer-encoding": "chunked" }));
    expect(chunked.text).toBe(big);
  });

  test("a body over the limit is refused by its length, before it is read", async () => {
    const host = await replica("a", stored("a"));
    topology.set([host.replica]);
    const socket = connectSocket(Number(new URL(url).port), "127.0.0.1");
    cleanups.push(() => socket.destroy());
    socket.write(
      `POST /store/things HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\ncontent-length: 300001\r\n\r\n`,
    );
    const answer = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(host.seen).toHaveLength(0);
  });

  test("waits for a replica until its deadline", async () => {
    const late = await replica("late", stored("late"));
    const pending = ask("/store/things", post('{"text":"x"}'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    topology.set([late.replica]);
    expect((await pending).json()).toEqual({ by: "late" });
    topology.set([]);
    const never = await ask("/store/things/1", { headers: { "x-seedcore-deadline-ms": "30" } });
    expect(never.json()).toMatchObject({ code: "UNAVAILABLE", started: "no" });
  });

  test("a malformed deadline is refused", async () => {
    expect((await ask("/store/things/1", { headers: { "x-seedcore-deadline-ms": "soon" } })).json()).toMatchObject({
      code: "MALFORMED",
    });
  });
});

describe("repeats", () => {
  test("what a replica refused goes to another with the same body", async () => {
    const first = await replica("first", refusing("DRAINING"));
    const second = await replica("second", stored("second"));
    topology.set([first.replica, second.replica]);
    expect((await ask("/store/things", post('{"text":"x"}'))).json()).toEqual({ by: "second" });
    expect(second.seen[0]?.body.toString()).toBe('{"text":"x"}');
  });

  test("what could not be sent goes to another", async () => {
    const gone = await replica("gone", stored("gone"));
    await new Promise((resolve) => gone.server.close(resolve));
    const second = await replica("second", stored("second"));
    topology.set([gone.replica, second.replica]);
    expect((await ask("/store/things", post('{"text":"x"}'))).json()).toEqual({ by: "second" });
  });

  test("a body that was streamed is gone: the refusal is passed on instead", async () => {
    const first = await replica("first", refusing("DRAINING"));
    const second = await replica("second", stored("second"));
    topology.set([first.replica, second.replica]);
    expect((await ask("/store/things", post("x".repeat(100_000)))).json()).toMatchObject({ code: "DRAINING" });
    expect(second.seen).toHaveLength(0);
  });

  test("what may have started is not repeated, even when it is idempotent: that is the first caller's to decide", async () => {
    const first = await replica("first", (_request, response) => void response.destroy());
    const second = await replica("second", stored("second"));
    topology.set([first.replica, second.replica]);
    const answer = await ask("/store/things/1");
    expect(answer).toMatchObject({ status: 502 });
    expect(answer.json()).toMatchObject({ code: "CONNECTION_LOST", started: "maybe" });
    expect(second.seen).toHaveLength(0);
  });

  test("a replica that was killed costs the caller one connection, not each that the gateway had kept alive", async () => {
    const old = new Set<IncomingMessage["socket"]>();
    const answers: (() => void)[] = [];
    const thing: Handler = (_request, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).end('{"id":"1"}');
    let isDead = false;
    const killed = await replica("killed", (request, response, body) => {
      // What is written on a connection of a dead process ends it.
      if (isDead) return void request.socket.destroy();
      old.add(request.socket);
      answers.push(() => thing(request, response, body));
      if (answers.length === 3) for (const answer of answers) answer();
    });
    topology.set([killed.replica]);
    const transport = createGatewayTransport({ url, token: () => token });
    cleanups.push(() => transport.close());
    const client = createClient(store, { transport });
    await Promise.all([1, 2, 3].map(() => client.get({ id: "1" })));
    expect(old.size).toBe(3);
    await new Promise(setImmediate);
    isDead = true;
    NetServer.prototype.close.call(killed.server);
    const next = await replica("next", thing);
    setTimeout(() => topology.set([next.replica]), 300);
    await expect(client.get({ id: "1" })).resolves.toEqual({ id: "1" });
    expect(killed.seen).toHaveLength(4);
  });

  test("an answer that breaks off breaks off for the caller too, rather than looking whole", async () => {
    const host = await replica("a", (_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    topology.set([host.replica]);
    await expect(ask("/store/things/1")).rejects.toMatchObject({ code: "ECONNRESET" });
  });
});

describe("streams", () => {
  test("pass through event by event, and leaving the loop reaches the replica", async () => {
    let left = () => {};
    const closed = new Promise<void>((resolve) => (left = resolve));
    const host = await replica("a", (_request, response) => {
      response.on("close", left);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"n":1}\n\n');
    });
    topology.set([host.replica]);
    const transport = createGatewayTransport({ url, token: () => token });
    cleanups.push(() => transport.close());
    for await (const { n } of createClient(store, { transport }).live({})) {
      expect(n).toBe(1);
      break;
    }
    await closed;
  });

  test("a caller that goes away ends the call at the replica", async () => {
    let left = () => {};
    const closed = new Promise<void>((resolve) => (left = resolve));
    const host = await replica("a", (_request, response) => void response.on("close", left));
    topology.set([host.replica]);
    const socket = connectSocket(Number(new URL(url).port), "127.0.0.1");
    socket.write(`GET /store/things/1 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n\r\n`);
    await new Promise((resolve) => host.server.once("request", resolve));
    socket.destroy();
    await closed;
  });
});

describe("its own addresses", () => {
  test("metrics of all replicas in one text; one that is down is said to be; the scope read is needed", async () => {
    const host = await replica("core/0@1", (request, response) => {
      expect(request.url).toBe("/-/metrics");
      response.end("# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 7\n");
    });
    const gone = fakeReplica("ml/0@1", "ml", "http://127.0.0.1:1");
    topology.set([host.replica, gone]);
    const { text, status } = await ask("/metrics");
    expect(status).toBe(200);
    expect(text).toContain('calls_total{host="store",replica="core/0@1"} 7');
    expect(text).toContain('seedcore_scrape_up{host="store",replica="core/0@1"} 1');
    expect(text).toContain('seedcore_scrape_up{host="ml",replica="ml/0@1"} 0');
    expect(text.match(/^# TYPE seedcore_scrape_up/gm)).toHaveLength(1);
    const operator = await tokenWith(["operate"]);
    expect((await ask("/metrics", { headers: { authorization: `Bearer ${operator}` } })).status).toBe(403);
  });

  test("the ping answers whoever has a token, on a connection that goes on", async () => {
    const answer = await ask("/-/ping?by=probe");
    expect(answer).toMatchObject({ status: 200, headers: { "x-seedcore-replica": "gateway/0@1" } });
    expect(answer.json()).toEqual({ ok: true });
    expect(answer.headers.connection).not.toBe("close");
  });

  test("the description and its page", async () => {
    expect((await ask("/openapi.json")).json()).toMatchObject({ openapi: "3.1.0" });
    const clicked = await ask("/docs");
    expect(clicked.text).toContain("Stores a thing.");
    expect(clicked.headers["content-security-policy"]).toContain("default-src 'none'");
  });

  test("the topology is followed by long poll: changes, new lives of the control plane, nothing empty", async () => {
    const follower = await followTopology({ url, token: () => token });
    cleanups.push(() => follower.close());
    const next = () =>
      new Promise<string[]>((resolve) => {
        const stop = follower.watch(({ replicas }) => {
          stop();
          resolve(replicas.map(({ id }) => id));
        });
      });
    expect(follower.current().replicas).toEqual([]);
    let changed = next();
    topology.set([fakeReplica("a", "store", "http://127.0.0.1:1")]);
    expect(await changed).toEqual(["a"]);

    changed = next();
    topology.set([]);
    topology.offer({ version: 1, epoch: "epoch-2", state: "settling", replicas: [] });
    topology.offer({
      version: 2,
      epoch: "epoch-2",
      state: "settling",
      replicas: [fakeReplica("c", "store", "http://127.0.0.1:3")],
    });
    topology.offer({
      version: 3,
      epoch: "epoch-2",
      state: "settled",
      replicas: [fakeReplica("b", "store", "http://127.0.0.1:2")],
    });
    expect(await changed).toEqual(["b"]);
  });
});

describe("readiness", () => {
  // What connection.isHealthy() and whoever stands before the gateway ask: a database that is down must show here.
  test("is that of the organism: of each host some replica is ready, and whoever asks, they are asked once", async () => {
    const states: Handler = (request, response) =>
      void response.writeHead(request.url === "/-/ready" && ready ? 200 : 503).end();
    let ready = true;
    const host = await replica("a", states);
    const other = await replica("b", (_request, response) => void response.writeHead(503).end());
    topology.set([host.replica, other.replica]);
    const statuses = await Promise.all([1, 2, 3].map(async () => (await ask("/-/ready")).status));
    expect(statuses).toEqual([200, 200, 200]);
    expect(host.seen).toHaveLength(1);
    ready = false;
    await expect.poll(async () => (await ask("/-/ready")).status, { timeout: 5_000 }).toBe(503);
    expect((await ask("/-/health")).status).toBe(200);
    ready = true;
    await expect.poll(async () => (await ask("/-/ready")).status, { timeout: 5_000 }).toBe(200);
    for (const probe of ["/-/ready", "/-/ready?by=probe"])
      expect(await ask(probe, { headers: { authorization: "" } })).toMatchObject({ status: 200, text: "" });
  });
});

describe("leaving", () => {
  test("what is in flight ends first, and its connection with it", async () => {
    let finish = () => {};
    const host = await replica("a", (_request, response) => {
      finish = () => void response.end('{"by":"a"}');
    });
    topology.set([host.replica]);
    const pending = ask("/store/things/1");
    await new Promise((resolve) => host.server.once("request", resolve));
    const drained = gateway.drain();
    await new Promise(setImmediate);
    finish();
    const answer = await pending;
    await drained;
    expect(answer).toMatchObject({ status: 200, headers: { connection: "close" } });
    await expect(ask("/-/ping")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  // They would be waited for until their deadlines, though another gateway may have a replica for them.
  test("calls without a replica are refused as not begun", async () => {
    topology.set([]);
    const waiting = ask("/store/things/1");
    await expect.poll(async () => (await ask("/-/load")).json()).toMatchObject({ inFlight: 1 });
    const drained = gateway.drain();
    expect((await waiting).json()).toMatchObject({ code: "DRAINING", started: "no" });
    await drained;
  });

  test("streams that pass through it end: they would never end by themselves", async () => {
    const host = await replica("a", (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"n":1}\n\n');
    });
    topology.set([host.replica]);
    const transport = createGatewayTransport({ url, token: () => token });
    cleanups.push(() => transport.close());
    const events = createClient(store, { transport }).live({})[Symbol.asyncIterator]();
    expect((await events.next()).value).toEqual({ n: 1 });
    const cut = expect(events.next()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    await gateway.drain();
    await cut;
  });

  test("what does not end in time is cut off with a reason", async () => {
    const host = await replica("a", () => {});
    topology.set([host.replica]);
    const pending = ask("/store/things/1");
    await new Promise((resolve) => host.server.once("request", resolve));
    const drained = gateway.drain();
    gateway.abortAll(new ServiceError("CANCELLED", "The replica was stopped before the call had ended."));
    expect((await pending).json()).toMatchObject({ code: "CANCELLED" });
    await drained;
  });
});

// As a host does that refuses a body by its type.
test("an answer that comes before the body was read arrives, and leaves the connection as good as any", async () => {
  const answer = "HTTP/1.1 415 Unsupported Media Type\r\ncontent-length: 0\r\n\r\n";
  const early = new NetServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.pause();
      setTimeout(() => socket.write(answer), 50);
    });
  });
  await new Promise<void>((resolve) => early.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => early.close());
  const { port } = early.address() as AddressInfo;
  topology.set([fakeReplica("early", "store", `http://127.0.0.1:${port}`)]);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  cleanups.push(() => agent.destroy());
  const sent = (path: string, method: string, body?: Buffer) =>
    new Promise<number | undefined>((resolve, reject) => {
      const framing = body === undefined ? {} : { "transfer-encoding": "chunked" };
      const headers = { authorization: `Bearer ${token}`, ...framing };
      const request = send(`${url}${path}`, { method, headers, agent, timeout: 5_000 });
      request.on("timeout", () => request.destroy(new Error(`${method} ${path} got no answer.`)));
      request.on("error", reject);
      request.on("response", (response) => response.resume().on("end", () => resolve(response.statusCode)));
      request.end(body);
    });
  for (let round = 0; round < 3; round++) {
    // More than the system's buffers take.
    expect(await sent("/store/things", "POST", Buffer.alloc(32_000_000))).toBe(415);
    expect(await sent("/-/ping", "GET")).toBe(200);
  }
});

describe("the page", () => {
  const bare = { authorization: "" };
  const get = (path: string, headers: Record<string, string> = {}) => ask(path, { headers: { ...bare, ...headers } });

  test("is for anybody, guarded, and never kept; its parts are kept for ever", async () => {
    const page = await get("/");
    expect(page).toMatchObject({ status: 200, text: "<!doctype html><title>Page</title>" });
    expect(page.headers["content-security-policy"]).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(page.headers["cache-control"]).toBe("no-store");
    // As a link from a mail may come.
    expect((await get("/?from=mail")).status).toBe(200);
    const script = await get("/assets/index-1.js");
    expect(script).toMatchObject({ status: 200, text: "let a" });
    expect(script.headers["cache-control"]).toContain("immutable");
    const compressed = await get("/assets/index-1.js", { "accept-encoding": "gzip, br" });
    expect(compressed.headers["content-encoding"]).toBe("br");
    // Over plain HTTP from another machine a browser takes no brotli.
    const gzipped = await get("/assets/index-1.js", { "accept-encoding": "gzip, deflate" });
    expect(gzipped.headers["content-encoding"]).toBe("gzip");
  });

  // Anything else of the disk would be a hole.
  test.each(["/assets/../index.html", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/index-1.js.br", "/assets/"])(
    "gives nothing else away: %s",
    async (path) => {
      expect((await ask(path)).status).toBe(404);
      expect((await get(path)).status).toBe(401);
    },
  );
});

describe("a session", () => {
  async function signIn(): Promise<string> {
    const answer = await ask("/-/session", { method: "POST" });
    expect(answer.status).toBe(200);
    const [cookie = ""] = answer.headers["set-cookie"] ?? [];
    // A script that reads it, or another site that sends it, would be as good as the token.
    expect(cookie).toMatch(/^seedcore-\d+=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=2592000$/);
    return cookie.split(";")[0] ?? "";
  }
  const withCookie = (cookie: string, more: Record<string, string> = {}) => ({ authorization: "", cookie, ...more });

  test("stands for the token until it ends", async () => {
    const cookie = await signIn();
    expect(cookie).not.toContain(token);
    const who = await ask("/-/session", { headers: withCookie(cookie) });
    expect(who.json()).toEqual({ subject: "ada", scopes: ["read", "operate"] });
    const ended = await ask("/-/session", { method: "DELETE", headers: withCookie(cookie) });
    expect(ended).toMatchObject({ status: 204 });
    expect(ended.headers["set-cookie"]?.[0]).toContain("Max-Age=0");
    expect((await ask("/-/session", { headers: withCookie(cookie) })).status).toBe(401);
  });

  // The browser sends the cookie along with what a page of another origin on the same machine asks for.
  test("is not honoured for what another page has caused", async () => {
    const cookie = await signIn();
    for (const site of ["same-site", "cross-site"]) {
      expect((await ask("/-/session", { headers: withCookie(cookie, { "sec-fetch-site": site }) })).status).toBe(401);
    }
    expect((await ask("/-/session", { headers: withCookie(cookie, { "sec-fetch-site": "same-origin" }) })).status).toBe(
      200,
    );
    const foreign = withCookie(cookie, { origin: "http://127.0.0.1:1" });
    expect((await ask("/-/session", { method: "DELETE", headers: foreign })).status).toBe(403);
  });

  test("ends the feed that it has open, as leaving does, and a feed of what cannot be followed is refused", async () => {
    const host = await replica("a", (_request, response) => void response.end('{"id":"1"}'));
    topology.set([host.replica]);
    const live = "/-/live?of=/store/things/1";
    const cookie = await signIn();
    const ofSession = ask(live, { headers: withCookie(cookie) });
    const ofToken = ask(live);
    await expect.poll(() => host.seen.length).toBeGreaterThan(1);
    await ask("/-/session", { method: "DELETE", headers: withCookie(cookie) });
    expect((await ofSession).text).toContain('data: {"of":0,"value":{"id":"1"}}');
    expect((await ask("/-/live?of=/store/things")).json()).toMatchObject({ status: 422, code: "INVALID_INPUT" });
    await gateway.drain();
    expect((await ofToken).text).toContain('data: {"of":0,"value":{"id":"1"}}');
  });

  test("has a feed for as long as its token is valid", async () => {
    token = await mintToken(pair.privateJwk, { subject: "ada", scopes: ["read"], namespace: "test", ttlMs: 4_000 });
    const cookie = await signIn();
    const [ofSession, ofToken] = await Promise.all([
      ask("/-/live?of=/store/live", { headers: withCookie(cookie) }),
      ask("/-/live?of=/store/live"),
    ]);
    expect([ofSession.status, ofToken.status]).toEqual([200, 200]);
  });

  // Over the connection that was left the reader's next feed reached the gateway that leaves.
  test("has a feed over a connection of its own, and none without a body", async () => {
    expect((await ask("/-/live?of=/store/live", { method: "HEAD" })).status).toBe(404);
    const host = await replica("a", (_request, response) => void response.end('{"id":"1"}'));
    topology.set([host.replica]);
    const live = ask("/-/live?of=/store/things/1");
    await expect.poll(() => host.seen.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await gateway.drain();
    expect((await live).headers.connection).toBe("close");
  });

  test("is nobody's without a token, or with an invented cookie", async () => {
    expect((await ask("/-/session", { method: "POST", headers: { authorization: "" } })).status).toBe(401);
    const invented = `seedcore-${new URL(url).port}=${"a".repeat(43)}`;
    expect((await ask("/-/session", { headers: withCookie(invented) })).status).toBe(401);
    expect((await ask("/-/session", { headers: withCookie("seedcore-1=; =;;; %") })).status).toBe(401);
  });
});
