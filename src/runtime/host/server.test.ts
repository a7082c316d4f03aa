import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure, type Scope } from "#core/contract.ts";
import { systemRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { listen } from "../http/listen.ts";
import { Dispatcher } from "./dispatcher.ts";
import { createServer } from "./server.ts";

const library = defineContract("library", {
  summary: "A library.",
  state: "none",
  procedures: {
    book: procedure({
      summary: "A book.",
      method: "GET",
      path: "/books/{id}",
      input: z.object({ id: z.string(), pages: z.coerce.number().default(1), tags: z.array(z.string()).optional() }),
      output: z.object({ id: z.string(), pages: z.number(), tags: z.array(z.string()), deadlineMs: z.number() }),
      errors: { LENT: z.object({ to: z.string() }) },
    }),
    lend: procedure({
      summary: "Lends.",
      method: "POST",
      path: "/books/{id}/lend",
      input: z.object({ id: z.string(), to: z.string(), notes: z.record(z.string(), z.json()).default({}) }),
      output: z.object({ to: z.string() }),
    }),
    arrivals: procedure({
      summary: "New books.",
      method: "GET",
      path: "/arrivals",
      input: z.object({ fail: z.string().optional() }),
      output: z.object({ id: z.string() }),
      stream: true,
    }),
  },
});

const clock = systemClock;
const service = implement(library, {
  async book({ id, pages, tags = [] }, { fail, deadlineAtMs }) {
    if (id === "lent") throw fail("LENT", { to: "bob" }, "It is lent.");
    if (id === "crash") throw new TypeError("secret internals");
    if (id === "big") throw new ServiceError("CONFLICT", "It is too big.", { data: { size: 1n } });
    if (id === "busy") throw new ServiceError("OVERLOADED", "busy", { retryAfterMs: 1_500 });
    return { id, pages, tags, deadlineMs: deadlineAtMs - clock.monotonic() };
  },
  lend: async ({ to }) => ({ to }),
  async *arrivals({ fail }) {
    if (fail === "at once") throw new ServiceError("STORAGE", "no disk");
    yield { id: "1" };
    if (fail === "later") throw new ServiceError("STORAGE", "no disk");
    yield { id: "2" };
  },
}) as unknown as Service;

async function start() {
  const dispatcher = new Dispatcher(
    [service],
    { maxConcurrency: 10, maxQueue: 0, maxDeadlineMs: 60_000 },
    {
      clock,
      log: silentLogger,
      metrics: { ended() {} },
      ownership: { epochOf: () => undefined, failure: () => undefined, refused() {} },
      idempotency: () => undefined,
      self: { subject: "service:test", scopes: new Set() },
    },
  );
  const scopes: Record<string, Scope[]> = { reader: ["read"], operator: ["read", "operate"] };
  const server = createServer(
    {
      dispatcher,
      clock,
      ids: createCountingIds(),
      random: systemRandom,
      log: silentLogger,
      metrics: createRegistry({}),
      isReady: () => !dispatcher.draining,
      verifier: {
        verify(authorization) {
          const subject = authorization?.slice("Bearer ".length) ?? "";
          const granted = scopes[subject];
          if (granted === undefined) throw new ServiceError("UNAUTHENTICATED", "The request has no token.");
          const caller = { subject, scopes: new Set(granted) };
          // Both ways a verifier answers: checked before, and not yet.
          return subject === "reader" ? Promise.resolve(caller) : caller;
        },
      },
    },
    { replicaId: "core/0@1", maxBodyBytes: 1_000, maxJsonDepth: 5 },
  );
  return { dispatcher, server, address: await listen(server, { bindAddress: "127.0.0.1", port: 0 }) };
}

let bench: Awaited<ReturnType<typeof start>>;
beforeEach(async () => {
  bench = await start();
});
afterEach(() => {
  bench.server.close();
  bench.server.closeAllConnections();
});

interface Asked {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly token?: string | undefined;
}

async function ask(
  method: "GET" | "POST" | "DELETE",
  url: string,
  { headers = {}, body, token = "operator" }: Asked = {},
) {
  const answer = await request(`${bench.address}${url}`, {
    method,
    headers: {
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) };
}

describe("answers", () => {
  test("take path and query as the contract says, and carry load, replica and correlation id", async () => {
    const answer = await ask("GET", "/library/books/a%2Fb?pages=7&tags=new&unknown=1", {
      headers: { "x-correlation-id": "mine", "x-seedcore-deadline-ms": "700" },
    });
    expect(answer.json()).toMatchObject({ id: "a/b", pages: 7, tags: ["new"] });
    expect(answer.json().deadlineMs).toBeLessThanOrEqual(700);
    expect(answer.headers).toMatchObject({
      "x-seedcore-load": "0/10",
      "x-seedcore-replica": "core/0@1",
      "x-correlation-id": "mine",
    });
  });

  test("a body is joined with the path's parameters, which win", async () => {
    const answer = await ask("POST", "/library/books/1/lend", { body: '{"to":"ada","id":"other"}' });
    expect(answer.json()).toEqual({ to: "ada" });
  });

  test("a correlation id that could forge log lines is replaced", async () => {
    const answer = await ask("GET", "/library/books/1", { headers: { "x-correlation-id": "a b\tc" } });
    expect(answer.headers["x-correlation-id"]).toBe("cor_1");
  });
});

describe("problems", () => {
  test("declared errors keep code and data; defects keep their text to the log", async () => {
    const lent = await ask("GET", "/library/books/lent");
    expect(lent.status).toBe(422);
    expect(lent.headers["content-type"]).toContain("application/problem+json");
    expect(lent.json()).toMatchObject({ code: "LENT", data: { to: "bob" }, detail: "It is lent." });
    const crash = await ask("GET", "/library/books/crash");
    expect(crash.status).toBe(500);
    expect(crash.text).not.toContain("secret");
    expect(crash.json().correlationId).toBe(crash.headers["x-correlation-id"]);
  });

  // Nobody catches what is thrown while an error is answered: it would end the host.
  test("data that are no JSON are left out, and the host goes on", async () => {
    const answer = await ask("GET", "/library/books/big");
    expect([answer.status, answer.json().code, answer.json().data]).toEqual([409, "CONFLICT", undefined]);
    expect((await ask("GET", "/library/books/1")).status).toBe(200);
  });

  test("retry-after is said in whole seconds, too", async () => {
    expect((await ask("GET", "/library/books/busy")).headers["retry-after"]).toBe("2");
  });

  test.each<[string, string, Asked, number, string]>([
    ["a body that is not JSON", "/library/books/1/lend", { body: "{" }, 400, "MALFORMED"],
    ["an empty body", "/library/books/1/lend", { body: "" }, 400, "MALFORMED"],
    [
      "another content type",
      "/library/books/1/lend",
      { body: "to=ada", headers: { "content-type": "text/plain" } },
      415,
      "MALFORMED",
    ],
    ["a body over the limit", "/library/books/1/lend", { body: `{"to":"${"a".repeat(2_000)}"}` }, 413, "TOO_LARGE"],
    ["a body too deep", "/library/books/1/lend", { body: `{"to":"a","notes":{"n":[[[[1]]]]}}` }, 400, "MALFORMED"],
    ["a deep bomb", "/library/books/1/lend", { body: "[".repeat(900) }, 400, "MALFORMED"],
    ["__proto__", "/library/books/1/lend", { body: `{"to":"a","notes":{"__proto__":{"x":1}}}` }, 400, "MALFORMED"],
    ["constructor", "/library/books/1/lend", { body: `{"to":"a","constructor":{"prototype":{}}}` }, 400, "MALFORMED"],
    ["a body that is no object", "/library/books/1/lend", { body: "[1]" }, 422, "INVALID_INPUT"],
    ["a body of null", "/library/books/1/lend", { body: "null" }, 422, "INVALID_INPUT"],
    ["a missing field", "/library/books/1/lend", { body: "{}" }, 422, "INVALID_INPUT"],
    ["a misspelt field", "/library/books/1/lend", { body: '{"to":"a","nots":{}}' }, 422, "INVALID_INPUT"],
    [
      "a deadline that is no number",
      "/library/books/1/lend",
      { body: '{"to":"a"}', headers: { "x-seedcore-deadline-ms": "soon" } },
      400,
      "MALFORMED",
    ],
    [
      "a deadline that is over",
      "/library/books/1/lend",
      { body: '{"to":"a"}', headers: { "x-seedcore-deadline-ms": "0" } },
      504,
      "EXPIRED",
    ],
    [
      "an overlong key",
      "/library/books/1/lend",
      { body: '{"to":"a"}', headers: { "idempotency-key": "k".repeat(300) } },
      400,
      "MALFORMED",
    ],
  ])("%s is a clean refusal", async (_name, url, asked, status, code) => {
    const answer = await ask("POST", url, asked);
    expect([answer.status, answer.json().code]).toEqual([status, code]);
    expect(answer.headers["x-seedcore-replica"]).toBe("core/0@1");
  });

  // Its length says nothing, so it has to be counted; what comes after the refusal must not be read as a request.
  test("a body over the limit that comes in pieces is refused, and its connection closed", async () => {
    async function* pieces() {
      for (let i = 0; i < 50; i++) {
        yield Buffer.from("x".repeat(100));
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const answer = await request(`${bench.address}/library/books/1/lend`, {
      method: "POST",
      headers: { authorization: "Bearer operator", "content-type": "application/json" },
      body: Readable.from(pieces()),
    });
    expect([answer.statusCode, answer.headers.connection]).toEqual([413, "close"]);
    expect(await answer.body.json()).toMatchObject({ code: "TOO_LARGE" });
  });

  // Clients send neither a length nor a body then, and the server has no event for what is not there.
  test("a body that is declared and not sent is refused, not waited for", async () => {
    const { hostname, port } = new URL(bench.address);
    const socket = connect(Number(port), hostname);
    const head = ["POST /library/books/1/lend HTTP/1.1", "host: x", "authorization: Bearer operator"];
    socket.end([...head, "content-type: application/json", "connection: close", "", ""].join("\r\n"));
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"MALFORMED"');
  });

  // Closed at once, its connection was reset under the rest of the body, and a gateway told of a connection lost.
  test("whoever still sends a body that is refused can send all of it", async () => {
    const { hostname, port } = new URL(bench.address);
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    const failures: Error[] = [];
    socket.on("error", (error) => failures.push(error));
    const head = ["POST /library/books/1/lend HTTP/1.1", "host: x", "authorization: Bearer operator"];
    socket.write([...head, "content-type: x", `content-length: ${20 * 65_536}`, "", ""].join("\r\n"));
    const answer = text(socket);
    for (let i = 0; i < 20; i++) {
      socket.write(Buffer.alloc(65_536));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 415 /);
    expect(failures).toEqual([]);
    socket.destroy();
  });

  test("an address that leads nowhere says what exists", async () => {
    expect((await ask("GET", "/nothing")).json()).toMatchObject({ code: "NOT_FOUND", data: { services: ["library"] } });
    expect((await ask("GET", "/library/shelves")).json().data.routes).toContain("GET /library/books/{id}");
    const wrongMethod = await ask("DELETE", "/library/books/1");
    expect(wrongMethod).toMatchObject({ status: 405, headers: { allow: "GET" } });
    expect((await ask("GET", "/library/books/%zz")).status).toBe(400);
  });
});

describe("who may ask", () => {
  test("health and readiness are open and empty; everything else needs a token, addresses that do not exist too", async () => {
    expect(await ask("GET", "/-/health", { token: "" })).toMatchObject({ status: 200, text: "" });
    expect(await ask("GET", "/-/ready?by=probe", { token: "" })).toMatchObject({ status: 200, text: "" });
    for (const url of ["/-/load", "/-/metrics", "/library/books/1", "/nothing", "/-/health/x"]) {
      expect((await ask("GET", url, { token: "" })).status).toBe(401);
    }
    expect((await ask("GET", "/library/books/1", { token: "reader" })).status).toBe(200);
  });

  test("the scope is checked before the body is read", async () => {
    const answer = await ask("POST", "/library/books/1/lend", { token: "reader", body: "{" });
    expect(answer).toMatchObject({ status: 403 });
    expect(answer.json().detail).toContain('the scope "operate"; the token of "reader" has read');
  });

  test("load tells what balancers and the services source need", async () => {
    await ask("GET", "/library/books/1");
    expect((await ask("GET", "/-/load")).json()).toMatchObject({
      inFlight: 0,
      limit: 10,
      queued: 0,
      services: { library: { requests: 1, errors: 0 } },
    });
  });
});

describe("streams", () => {
  test("travel as server-sent events", async () => {
    const answer = await ask("GET", "/library/arrivals");
    expect(answer.headers["content-type"]).toContain("text/event-stream");
    expect(answer.text.split("\n\n").filter((event) => event.startsWith("data"))).toEqual([
      'data: {"id":"1"}',
      'data: {"id":"2"}',
    ]);
  });

  test("a failure before the first event is a problem, a later one an error event: neither looks like an end", async () => {
    expect(await ask("GET", "/library/arrivals?fail=at%20once")).toMatchObject({ status: 503 });
    const later = await ask("GET", "/library/arrivals?fail=later");
    expect(later.status).toBe(200);
    expect(later.text).toMatch(/event: error\ndata: \{.*"code":"STORAGE"/);
  });
});

test("while draining, readiness says no, calls are refused, and connections are not kept", async () => {
  await bench.dispatcher.drain();
  expect((await ask("GET", "/-/ready", { token: "" })).status).toBe(503);
  expect((await ask("GET", "/-/health", { token: "" })).status).toBe(200);
  const refused = await ask("GET", "/library/books/1");
  expect(refused.json()).toMatchObject({ code: "DRAINING", started: "no" });
  expect(refused.headers["connection"]).toBe("close");
});
