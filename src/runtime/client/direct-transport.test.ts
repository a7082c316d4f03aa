import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import { ServiceError, toProblem } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeTopology, fakeReplica } from "#testing/fake-topology.ts";
import { type Call, runInCall } from "../call.ts";
import type { Replica } from "../topology.ts";
import type { Client } from "./client.ts";
import { createClient } from "./create-client.ts";
import { createDirectTransport } from "./direct-transport.ts";
import { createGatewayTransport } from "./gateway-transport.ts";

const counter = defineContract("counter", {
  summary: "Counts.",
  state: "none",
  procedures: {
    read: procedure({
      summary: "The count.",
      method: "GET",
      path: "/count/{name}",
      input: z.object({ name: z.string(), tags: z.array(z.string()).optional() }),
      output: z.object({ by: z.string() }),
    }),
    add: procedure({
      summary: "Adds one.",
      method: "POST",
      path: "/count/{name}",
      input: z.object({ name: z.string(), note: z.string().optional() }),
      output: z.object({ by: z.string() }),
    }),
    live: procedure({
      summary: "Counts as they change.",
      method: "GET",
      path: "/live",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
  },
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A replica that answers as told, and how often it was asked. */
async function replica(id: string, answer: Answer) {
  const seen: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    seen.push(request);
    request.resume().on("end", () => answer(request, response));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, seen, replica: fakeReplica(id, "counter", address) };
}

const ok =
  (by: string): Answer =>
  (_request, response) =>
    void response.setHeader("content-type", "application/json").end(JSON.stringify({ by }));
const refusing =
  (error: ServiceError): Answer =>
  (_request, response) =>
    void response.writeHead(error.status).end(JSON.stringify(toProblem(error)));
const dying: Answer = (_request, response) => {
  response.writeHead(200, { "content-length": "100" });
  response.write('{"by":', () => response.destroy());
};

async function unusedAddress(): Promise<string> {
  const gone = await replica("gone", ok("gone"));
  await new Promise((resolve) => gone.server.close(resolve));
  return gone.replica.address;
}

/** With random numbers that always draw the first of two, so that the order of asking is known. */
function clientOf(topology: ReturnType<typeof createFakeTopology>): Client<typeof counter> {
  const transport = createDirectTransport({ topology, token: () => "secret", random: { next: () => 0 } });
  cleanups.push(() => transport.close());
  return createClient(counter, { transport });
}

function insideCall<T>(work: () => T): T {
  const call: Call = {
    contract: "outer",
    procedure: "p",
    caller: { subject: "x", scopes: new Set() },
    deadlineAtMs: performance.now() + 5_000,
    correlationId: "cor_outer",
    trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
    priority: "background",
    signal: new AbortController().signal,
  };
  return runInCall(call, work);
}

describe("what travels", () => {
  test("path, query, body, token and headers", async () => {
    const only = await replica("only", ok("only"));
    const client = clientOf(createFakeTopology([only.replica]));
    await client.read({ name: "a/b c", tags: ["x", "y&z"] });
    await insideCall(() => client.add({ name: "n", note: "hi" }));
    const [read, add] = only.seen;
    expect(read?.url).toBe("/counter/count/a%2Fb%20c?tags=x&tags=y%26z");
    expect(read?.headers).toMatchObject({
      authorization: "Bearer secret",
      "x-seedcore-deadline-ms": expect.stringMatching(/^\d+$/),
      "x-correlation-id": expect.stringMatching(/^cor_/),
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
      "x-seedcore-priority": "normal",
    });
    expect(read?.headers["x-seedcore-hop"]).toBeUndefined();
    expect(add?.headers).toMatchObject({
      "x-seedcore-hop": "1",
      "x-correlation-id": "cor_outer",
      "content-type": "application/json",
      "content-length": "13",
    });
    expect(add?.headers["idempotency-key"]).toBeUndefined();
  });
});

describe("a replica that is not there", () => {
  test("refuses the connection: any call goes on to another, as nothing started", async () => {
    const good = await replica("good", ok("good"));
    const gone = fakeReplica("gone", "counter", await unusedAddress());
    const client = clientOf(createFakeTopology([gone, good.replica]));
    await expect(client.add({ name: "n" })).resolves.toEqual({ by: "good" });
    await expect(insideCall(() => client.add({ name: "n" }))).resolves.toEqual({ by: "good" });
    expect(good.seen).toHaveLength(2);
  });

  // Until the topology tells that it is gone, every second call would be sent twice.
  test("is left alone for a while by those who know a better one", async () => {
    const good = await replica("good", ok("good"));
    const back = await replica("gone", ok("gone"));
    const { port } = back.server.address() as AddressInfo;
    await new Promise((resolve) => back.server.close(resolve));
    const client = clientOf(createFakeTopology([back.replica, good.replica]));
    await client.add({ name: "n" });
    await new Promise<void>((resolve) => back.server.listen(port, "127.0.0.1", resolve));
    for (let calls = 0; calls < 10; calls++) await client.add({ name: "n" });
    expect([back.seen.length, good.seen.length]).toEqual([0, 11]);
  });

  test("and no other either: UNAVAILABLE at the deadline, which says that nothing started", async () => {
    const gone = fakeReplica("gone", "counter", await unusedAddress());
    const client = clientOf(createFakeTopology([gone]));
    await expect(client.add({ name: "n" }, { deadlineMs: 80 })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      started: "no",
    });
  });

  test("nobody is known: the call waits and goes to whoever comes", async () => {
    const late = await replica("late", ok("late"));
    const topology = createFakeTopology([]);
    const pending = clientOf(topology).add({ name: "n" });
    await new Promise(setImmediate);
    topology.set([late.replica]);
    await expect(pending).resolves.toEqual({ by: "late" });
  });

  test("nobody comes: UNAVAILABLE at the deadline; the caller may give up before", async () => {
    const client = clientOf(createFakeTopology([]));
    await expect(client.read({ name: "n" }, { deadlineMs: 30 })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const stop = new AbortController();
    const pending = client.read({ name: "n" }, { signal: stop.signal });
    stop.abort();
    await expect(pending).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

describe("a replica that refuses", () => {
  test.each(["DRAINING", "NOT_READY", "NOT_OWNER"] as const)("%s: the call goes on to another", async (code) => {
    const first = await replica("first", refusing(new ServiceError(code, "no")));
    const second = await replica("second", ok("second"));
    const client = clientOf(createFakeTopology([first.replica, second.replica]));
    await expect(client.add({ name: "n" })).resolves.toEqual({ by: "second" });
  });

  test("keeps its key over repeats, so that a wrong refusal still runs once", async () => {
    const first = await replica("first", refusing(new ServiceError("DRAINING", "no")));
    const second = await replica("second", ok("second"));
    await clientOf(createFakeTopology([first.replica, second.replica])).add({ name: "n" });
    const key = first.seen[0]?.headers["idempotency-key"];
    expect(key).toMatch(/^key_/);
    expect(second.seen[0]?.headers["idempotency-key"]).toBe(key);
  });

  test("other errors are the caller's, with their data", async () => {
    const only = await replica("only", refusing(new ServiceError("FULL", "It is full.", { data: { size: 3 } })));
    await expect(clientOf(createFakeTopology([only.replica])).add({ name: "n" })).rejects.toMatchObject({
      code: "FULL",
      status: 422,
      data: { size: 3 },
      message: "It is full.",
    });
    expect(only.seen).toHaveLength(1);
  });

  test("an answer that is neither JSON nor a problem is an error, not a crash", async () => {
    const html = await replica("html", (_request, response) => void response.writeHead(502).end("<h1>bad</h1>"));
    await expect(clientOf(createFakeTopology([html.replica])).read({ name: "n" })).rejects.toMatchObject({
      code: "INTERNAL",
      status: 502,
    });
    const text = await replica("text", (_request, response) => void response.end("hello"));
    await expect(clientOf(createFakeTopology([text.replica])).read({ name: "n" })).rejects.toMatchObject({
      code: "BAD_OUTPUT",
    });
  });
});

describe("a replica that dies in the middle of its answer", () => {
  test("what is idempotent is asked for once more, by the first caller", async () => {
    const first = await replica("first", dying);
    const second = await replica("second", ok("second"));
    const client = clientOf(createFakeTopology([first.replica, second.replica]));
    await expect(client.read({ name: "n" })).resolves.toEqual({ by: "second" });
  });

  test("once, not twice", async () => {
    const first = await replica("first", dying);
    const second = await replica("second", dying);
    const client = clientOf(createFakeTopology([first.replica, second.replica]));
    await expect(client.read({ name: "n" })).rejects.toMatchObject({ code: "CONNECTION_LOST", started: "maybe" });
    expect(first.seen.length + second.seen.length).toBe(2);
  });

  test("an inner call is not repeated, nor is one with an effect", async () => {
    const first = await replica("first", dying);
    const second = await replica("second", ok("second"));
    const client = clientOf(createFakeTopology([first.replica, second.replica]));
    await expect(insideCall(() => client.read({ name: "n" }))).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    await expect(client.add({ name: "n" })).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(second.seen).toHaveLength(0);
  });

  test("when all refuse afterwards, the caller is still told that it may have run", async () => {
    const first = await replica("first", dying);
    const second = await replica("second", refusing(new ServiceError("DRAINING", "no")));
    const topology = createFakeTopology([first.replica, second.replica]);
    const client = clientOf(topology);
    first.server.once("request", () => topology.set([second.replica]));
    await expect(client.read({ name: "n" }, { deadlineMs: 100 })).rejects.toMatchObject({
      started: "maybe",
    });
  });
});

describe("a replica that was killed, with connections kept alive whose end was not noticed yet", () => {
  /** Three connections that were used and are free; whatever is written on one of them ends it, as of a dead process. */
  async function withDeadConnections(id: string) {
    const old = new Set<IncomingMessage["socket"]>();
    let isDead = false;
    const waiting: (() => void)[] = [];
    const one = await replica(id, (request, response) => {
      if (isDead && old.has(request.socket)) return void request.socket.destroy();
      if (isDead) return ok(id)(request, response);
      old.add(request.socket);
      waiting.push(() => ok(id)(request, response));
      if (waiting.length === 3) for (const answer of waiting) answer();
    });
    const topology = createFakeTopology([one.replica]);
    const client = clientOf(topology);
    await Promise.all([1, 2, 3].map(() => client.read({ name: "n" })));
    expect(old.size).toBe(3);
    await new Promise(setImmediate);
    isDead = true;
    one.seen.length = 0;
    return { ...one, topology, client };
  }

  test("the one repeat is not spent on another of them: it waits for the successor", async () => {
    const killed = await withDeadConnections("killed");
    const next = await replica("next", ok("next"));
    // http's own close would end the connections too.
    NetServer.prototype.close.call(killed.server);
    setTimeout(() => killed.topology.set([next.replica]), 300);
    await expect(killed.client.read({ name: "n" })).resolves.toEqual({ by: "next" });
    expect(killed.seen).toHaveLength(1);
  });

  test("nor when the process lives and only its connections are gone: it goes over a new one", async () => {
    const cut = await withDeadConnections("cut");
    await expect(cut.client.read({ name: "n" })).resolves.toEqual({ by: "cut" });
    expect(cut.seen).toHaveLength(2);
  });

  test("calls under way on the other connections end as they would", async () => {
    let answer = () => {};
    const asked = Promise.withResolvers<void>();
    const one = await replica("one", (request, response) => {
      if (request.url?.includes("lost")) return void request.socket.destroy();
      answer = () => ok("one")(request, response);
      if (request.url?.includes("slow")) asked.resolve();
      else answer();
    });
    const client = clientOf(createFakeTopology([one.replica]));
    const slow = client.read({ name: "slow" });
    await asked.promise;
    await expect(client.add({ name: "lost" })).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    answer();
    await expect(slow).resolves.toEqual({ by: "one" });
  });
});

describe("time", () => {
  test("a silent replica ends the call at its deadline, and is told", async () => {
    let left = () => {};
    const closed = new Promise<void>((resolve) => (left = resolve));
    const silent = await replica("silent", (_request, response) => void response.on("close", left));
    const client = clientOf(createFakeTopology([silent.replica]));
    await expect(client.read({ name: "n" }, { deadlineMs: 30 })).rejects.toMatchObject({
      code: "DEADLINE",
      started: "maybe",
    });
    await closed;
  });
});

// A process that is stopped, or swaps, or waits for a dead disk, holds its connections and says nothing.
describe("a replica that stays silent beside one that answers", () => {
  const hour = 3_600_000;
  const silence: Answer = () => {};

  function timed(...replicas: readonly Replica[]) {
    const clock = createFakeClock();
    const transport = createDirectTransport({ topology: createFakeTopology(replicas), token: () => "secret", clock });
    cleanups.push(() => transport.close());
    return { client: createClient(counter, { transport, clock }), clock };
  }

  /** Two, of which the one that happens to be asked first answers as `first` says. */
  async function two(first: Answer, other = ok("the other")) {
    const asked: Record<"first" | "other", IncomingMessage[]> = { first: [], other: [] };
    let firstId: string | undefined;
    const answerOf =
      (id: string): Answer =>
      (request, response) => {
        firstId ??= id;
        asked[id === firstId ? "first" : "other"].push(request);
        if (id === firstId) first(request, response);
        else other(request, response);
      };
    const both = await Promise.all(["a", "b"].map((id) => replica(id, answerOf(id))));
    const { client, clock } = timed(...both.map((one) => one.replica));
    return { client, clock, asked };
  }

  test("an idempotent call is asked of the other at half of its time, and the silent one is told to stop", async () => {
    const closed = Promise.withResolvers<void>();
    const { client, clock, asked } = await two((_request, response) => void response.on("close", closed.resolve));
    const read = client.read({ name: "n" }, { deadlineMs: hour });
    await vi.waitFor(() => expect(asked.first).toHaveLength(1));
    await clock.advance(hour / 2 - 1);
    expect(asked.other).toHaveLength(0);
    await clock.advance(1);
    await expect(read).resolves.toEqual({ by: "the other" });
    await closed.promise;
  });

  // The engine takes seconds to see it; each of its calls until then would cost half of a deadline.
  test("is asked no more by those who know a better one", async () => {
    const { client, clock, asked } = await two(silence);
    const read = client.read({ name: "n" }, { deadlineMs: hour });
    await vi.waitFor(() => expect(asked.first).toHaveLength(1));
    await clock.advance(hour / 2);
    await read;
    for (let calls = 0; calls < 10; calls++) await client.read({ name: "n" }, { deadlineMs: hour });
    await client.add({ name: "n" }, { deadlineMs: hour });
    expect([asked.first.length, asked.other.length]).toEqual([1, 12]);
  });

  test("a change is not, nor a call within a call", async () => {
    const silent = await replica("silent", silence);
    const good = await replica("good", ok("good"));
    const client = clientOf(createFakeTopology([silent.replica, good.replica]));
    const code = "DEADLINE";
    await expect(client.add({ name: "n" }, { deadlineMs: 60 })).rejects.toMatchObject({ code });
    await expect(insideCall(() => client.read({ name: "n" }, { deadlineMs: 60 }))).rejects.toMatchObject({ code });
    expect(good.seen).toEqual([]);
  });

  test("when the silent one answers first after all, its answer counts", async () => {
    const late = Promise.withResolvers<() => void>();
    const { client, clock, asked } = await two(
      (request, response) => late.resolve(() => ok("the first")(request, response)),
      async () => (await late.promise)(),
    );
    const read = client.read({ name: "n" }, { deadlineMs: hour });
    await vi.waitFor(() => expect(asked.first).toHaveLength(1));
    await clock.advance(hour / 2);
    await expect(read).resolves.toEqual({ by: "the first" });
    expect(asked.other).toHaveLength(1);
  });

  // Twice the questions would keep an overloaded service down.
  test("when all stay silent, few more questions are sent than calls", async () => {
    const both = await Promise.all(["a", "b"].map((id) => replica(id, silence)));
    const { client, clock } = timed(...both.map((one) => one.replica));
    const calls = Array.from({ length: 40 }, () => client.read({ name: "n" }, { deadlineMs: hour }));
    const ended = Promise.allSettled(calls);
    const sent = () => both.reduce((sum, one) => sum + one.seen.length, 0);
    await vi.waitFor(() => expect(sent()).toBe(40));
    await clock.advance(hour / 2);
    await vi.waitFor(() => expect(sent()).toBe(50));
    await clock.advance(hour / 2);
    expect((await ended).map(({ status }) => status)).not.toContain("fulfilled");
    expect(sent()).toBe(50);
  });
});

describe("streams", () => {
  test("yield events however they are cut, and end with the error the server sends", async () => {
    const only = await replica("only", async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const piece of [":\n\nda", 'ta: {"n"', ':1}\n\ndata: {"n":2}\n', "\n"]) {
        response.write(piece);
        await new Promise(setImmediate);
      }
      const problem = toProblem(new ServiceError("STORAGE", "disk full"));
      response.end(`event: error\ndata: ${JSON.stringify(problem)}\n\n`);
    });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { n } of clientOf(createFakeTopology([only.replica])).live({})) seen.push(n);
    })();
    await expect(reading).rejects.toMatchObject({ code: "STORAGE", status: 503, message: "disk full" });
    expect(seen).toEqual([1, 2]);
  });

  test("leaving the loop reaches the server", async () => {
    let left = () => {};
    const closed = new Promise<void>((resolve) => (left = resolve));
    const only = await replica("only", (_request, response) => {
      response.on("close", left);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"n":1}\n\n');
    });
    for await (const { n } of clientOf(createFakeTopology([only.replica])).live({})) if (n === 1) break;
    await closed;
  });

  test("a reader that stops reading stops the server, and loses nothing", async () => {
    const total = 20_000;
    const pad = " ".repeat(500);
    let wasHeld = false;
    const only = await replica("only", async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let n = 0; n < total; n++) {
        if (!response.write(`data: {"n":${n}${pad}}\n\n`)) {
          wasHeld = true;
          await new Promise((resolve) => response.once("drain", resolve));
        }
      }
      response.end();
    });
    let next = 0;
    for await (const { n } of clientOf(createFakeTopology([only.replica])).live({})) {
      expect(n).toBe(next++);
      if (n % 5_000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(next).toBe(total);
    expect(wasHeld).toBe(true);
  });

  test("one that is refused before it begins is opened elsewhere; one that breaks off is not", async () => {
    const first = await replica("first", refusing(new ServiceError("DRAINING", "no")));
    const second = await replica("second", (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"n":1}\n\n', () => response.destroy());
    });
    const events = clientOf(createFakeTopology([first.replica, second.replica]))
      .live({})
      [Symbol.asyncIterator]();
    await expect(events.next()).resolves.toEqual({ done: false, value: { n: 1 } });
    await expect(events.next()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(second.seen).toHaveLength(1);
  });
});

describe("connections", () => {
  test("to a replica that left are closed once its calls have ended", async () => {
    let finish = () => {};
    const old = await replica("old", (_request, response) => {
      finish = () => void response.end('{"by":"old"}');
    });
    const next = await replica("next", ok("next"));
    const topology = createFakeTopology([old.replica]);
    const client = clientOf(topology);
    const pending = client.read({ name: "n" });
    const socket = await new Promise<IncomingMessage["socket"]>((resolve) =>
      old.server.once("request", (request: IncomingMessage) => resolve(request.socket)),
    );
    const closed = new Promise((resolve) => socket.once("close", resolve));
    topology.set([next.replica]);
    await expect(client.read({ name: "n" })).resolves.toEqual({ by: "next" });
    finish();
    await expect(pending).resolves.toEqual({ by: "old" });
    await closed;
  });

  test("health asks the replicas; a dead one is none", async () => {
    const up = await replica(
      "up",
      (request, response) => void response.writeHead(request.url === "/-/ready" ? 200 : 500).end(),
    );
    const down = await replica("down", (_request, response) => void response.writeHead(503).end());
    const gone = fakeReplica("gone", "counter", await unusedAddress());
    await expect(clientOf(createFakeTopology([gone, down.replica, up.replica])).isHealthy()).resolves.toBe(true);
    await expect(clientOf(createFakeTopology([gone, down.replica])).isHealthy()).resolves.toBe(false);
    await expect(clientOf(createFakeTopology([])).isHealthy()).resolves.toBe(false);
  });
});

describe("through a gateway", () => {
  test("every call goes to one address, and refusals are waited out", async () => {
    let asked = 0;
    const gateway = await replica("gateway", (request, response) => {
      const answer = ++asked === 1 ? refusing(new ServiceError("NOT_READY", "soon")) : ok("gateway");
      answer(request, response);
    });
    const transport = createGatewayTransport({ url: `${gateway.replica.address}/`, token: () => "t" });
    cleanups.push(() => transport.close());
    await expect(createClient(counter, { transport }).add({ name: "n" })).resolves.toEqual({ by: "gateway" });
    expect(asked).toBe(2);
  });

  test("health is whether the gateway knows a replica", async () => {
    const topology = createFakeTopology([fakeReplica("r", "counter", "http://127.0.0.1:1")]).current();
    const gateway = await replica("gateway", (_request, response) => void response.end(JSON.stringify(topology)));
    const transport = createGatewayTransport({ url: gateway.replica.address, token: () => "t" });
    cleanups.push(() => transport.close());
    await expect(transport.isHealthy(counter)).resolves.toBe(true);
    await expect(transport.isHealthy({ ...counter, name: "other" })).resolves.toBe(false);
  });
});
