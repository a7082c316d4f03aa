import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure } from "#core/contract.ts";
import { ServiceError, toProblem } from "#core/service-error.ts";
import { createFakeTopology, type FakeTopology, fakeReplica } from "#testing/fake-topology.ts";
import { createBalancer } from "../client/balancer.ts";
import { createPools, type Pools } from "../client/pools.ts";
import { SseParser } from "../client/sse-parser.ts";
import { RouteTable } from "../http/route-table.ts";
import { LiveFeeds, toFollowed } from "./live-feeds.ts";

const store = defineContract("store", {
  summary: "Keeps things.",
  state: "none",
  procedures: {
    get: procedure({
      summary: "One thing.",
      method: "GET",
      path: "/things/{id}",
      input: z.object({ id: z.string() }),
      output: z.object({ n: z.int() }),
    }),
    slow: procedure({
      summary: "What takes long.",
      method: "GET",
      path: "/slow",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      deadlineMs: 2_100,
    }),
    live: procedure({
      summary: "Things as they come.",
      method: "GET",
      path: "/live",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
    put: procedure({
      summary: "Stores a thing.",
      method: "POST",
      path: "/things",
      input: z.object({}),
      output: z.object({}),
    }),
  },
});
const table = new RouteTable(Object.values(store.procedures).map((one) => ({ contract: store, procedure: one })));

/** Of a machine that is busy. */
const PATIENT = { timeout: 10_000 };

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let topology: FakeTopology;
let pools: Pools;
let feeds: LiveFeeds;
/** What the replica does now. */
let answer: Handler;
/** Of the reader; undefined once it may no longer look. */
let authorization: string | undefined;
let url: string;
const asked: IncomingMessage[] = [];
/** The feeds' own. */
const given: ServerResponse[] = [];
const servers: ReturnType<typeof createServer>[] = [];

async function mayLook(): Promise<string> {
  if (authorization === undefined) throw new ServiceError("UNAUTHENTICATED", "The session is over.");
  return authorization;
}

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeEach(async () => {
  asked.length = 0;
  given.length = 0;
  authorization = "Bearer secret";
  topology = createFakeTopology();
  pools = createPools(topology);
  const random = { next: () => 0 };
  const balancer = createBalancer(topology, systemClock, random);
  feeds = new LiveFeeds({ balancer, pools, clock: systemClock, maxDeadlineMs: 10_000 });
  const address = await serve((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  topology.set([fakeReplica("store/0@1", "store", address)]);
  url = await serve((request, response) => {
    given.push(response);
    const of = new URL(request.url ?? "", "http://x").searchParams.getAll("of");
    feeds.open({ response, authorization: mayLook, correlationId: "c1" }, toFollowed(of, table));
  });
});

afterEach(async () => {
  feeds.endAll();
  await pools.close();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const value =
  (n: number): Handler =>
  (_request, response) =>
    void response.end(JSON.stringify({ n }));
const refusal =
  (error: ServiceError): Handler =>
  (_request, response) =>
    void response.writeHead(error.status).end(JSON.stringify(toProblem(error)));

/** Reads events as they come. */
async function* follow(...paths: string[]): AsyncGenerator<Record<string, unknown>, void> {
  const query = new URLSearchParams(paths.map((path): [string, string] => ["of", path]));
  const left = new AbortController();
  const { body, headers } = await fetch(`${url}/?${query.toString()}`, { signal: left.signal });
  expect(headers.get("content-type")).toContain("text/event-stream");
  const parser = new SseParser();
  try {
    for await (const piece of body ?? []) {
      for (const { data } of parser.push(piece)) yield JSON.parse(data) as Record<string, unknown>;
    }
  } finally {
    left.abort();
  }
}

const next = async (events: AsyncGenerator<Record<string, unknown>, void>) => (await events.next()).value;

test("an answer is told when it differs, asked for with the reader's own token", async () => {
  answer = value(1);
  const events = follow("/store/things/a?x=1");
  expect(await next(events)).toEqual({ of: 0, value: { n: 1 } });
  await expect.poll(() => asked.length, { timeout: 3_000 }).toBeGreaterThan(2);
  answer = value(2);
  expect(await next(events)).toEqual({ of: 0, value: { n: 2 } });
  expect(asked[0]).toMatchObject({
    method: "GET",
    url: "/store/things/a?x=1",
    headers: { authorization: "Bearer secret", "x-correlation-id": "c1" },
  });
  await events.return();
  const soFar = asked.length;
  await new Promise((resolve) => setTimeout(resolve, 700));
  // One may have been on its way.
  expect(asked.length - soFar).toBeLessThanOrEqual(1);
});

test("of a stream every event is told, also those that are alike, and that it began, again after it broke", async () => {
  const streams: ServerResponse[] = [];
  answer = (request, response) => {
    if (request.url !== "/store/live") return value(7)(request, response);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('data: {"n":1}\n\ndata: {"n":1}\n\n');
    streams.push(response);
  };
  const events = follow("/store/things/a", "/store/live");
  const told = [];
  while (told.length < 4) told.push(await next(events));
  const ofStream = told.filter((one) => one?.["of"] === 1);
  expect(ofStream).toEqual([
    { of: 1, began: true },
    { of: 1, value: { n: 1 } },
    { of: 1, value: { n: 1 } },
  ]);
  expect(told).toContainEqual({ of: 0, value: { n: 7 } });
  streams[0]?.destroy();
  expect(await next(events)).toEqual({ of: 1, began: true });
  await events.return();
  await expect.poll(() => streams[1]?.destroyed).toBe(true);
});

test("what cannot be had is told at once, and the answer again as soon as there is one", async () => {
  answer = value(1);
  const events = follow("/store/things/a");
  await next(events);
  answer = refusal(new ServiceError("NOT_FOUND", "There is no a."));
  expect(await next(events)).toMatchObject({ of: 0, problem: { code: "NOT_FOUND", detail: "There is no a." } });
  answer = value(1);
  expect(await next(events)).toEqual({ of: 0, value: { n: 1 } });
  await events.return();
});

// A service that is replaced refuses for a moment: nobody is to be alarmed by that.
test("a service that is away for a moment is no trouble, one that stays away is", async () => {
  answer = value(1);
  const events = follow("/store/things/a");
  await next(events);
  const { replicas } = topology.current();
  topology.set([]);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  // What was told before is the answer again, and all is well for a while.
  topology.set([...replicas]);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  topology.set([]);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  answer = value(2);
  topology.set([...replicas]);
  expect(await next(events)).toEqual({ of: 0, value: { n: 2 } });
  topology.set([]);
  expect(await next(events)).toMatchObject({ problem: { code: "UNAVAILABLE" } });
  await events.return();
});

test("a stream that held and breaks is no trouble, one that breaks as often as it begins is", async () => {
  const streams: ServerResponse[] = [];
  answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(":\n\n");
    streams.push(response);
  };
  const events = follow("/store/live");
  expect(await next(events)).toEqual({ of: 0, began: true });
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  streams[0]?.destroy();
  expect(await next(events)).toEqual({ of: 0, began: true });
  answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const problem = JSON.stringify(toProblem(new ServiceError("STORAGE", "The disk is full.")));
    response.end(`event: error\ndata: ${problem}\n\n`);
  };
  streams[1]?.destroy();
  const told = [];
  do told.push(await next(events));
  while (told.at(-1)?.["problem"] === undefined);
  expect(told.at(-1)).toMatchObject({ problem: { code: "STORAGE" } });
  await events.return();
});

// Asked more rarely the longer it takes, it was told of half a minute later.
test("a service that never answers is told of at its first deadline", async () => {
  answer = () => {};
  const events = follow("/store/slow");
  expect(await next(events)).toMatchObject({ problem: { code: "DEADLINE" } });
  expect(asked).toHaveLength(1);
  await events.return();
});

// A warning of a leak for each feed, and a feed that nothing ended.
test("a reader who reads nothing costs no more than its buffer, and keeps no feed from ending", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on("warning", warned);
  const text = "x".repeat(500_000);
  answer = (_request, response) => void response.end(JSON.stringify({ text, at: asked.length }));
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1");
  socket.pause();
  const query = Array.from({ length: 30 }, (_, i) => `of=/store/things/${i}`).join("&");
  socket.write(`GET /?${query} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await expect.poll(() => asked.length, PATIENT).toBeGreaterThanOrEqual(30);
  await expect.poll(() => given[0]?.writableNeedDrain, PATIENT).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  process.off("warning", warned);
  expect(warnings.map(({ name }) => name)).toEqual([]);
  feeds.endAll();
  await expect.poll(() => given[0]?.writableEnded, PATIENT).toBe(true);
  socket.destroy();
});

// While its token was checked, or behind an answer over the same connection: neither is told that it closed.
test("a feed ends whose reader has left before it began", async () => {
  answer = value(1);
  const early = await serve((_request, response) => {
    given.push(response);
    response.once("close", () =>
      feeds.open({ response, authorization: mayLook, correlationId: "c1" }, toFollowed("/store/slow", table)),
    );
    response.destroy();
  });
  await expect(fetch(early)).rejects.toThrow();
  await expect.poll(() => given[0]?.writableEnded, PATIENT).toBe(true);
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const head = "GET /?of=/store/things/a HTTP/1.1\r\nhost: x\r\n\r\n";
  socket.write(head + head);
  await expect.poll(() => given.length, PATIENT).toBe(3);
  socket.destroy();
  await expect.poll(() => given[1]?.writableEnded, PATIENT).toBe(true);
  await expect.poll(() => given[2]?.writableEnded, PATIENT).toBe(true);
});

test("a feed ends with its reader's session, and when the gateway leaves", async () => {
  answer = value(1);
  const first = follow("/store/things/a");
  await next(first);
  authorization = undefined;
  expect(await first.next()).toMatchObject({ done: true });
  authorization = "Bearer secret";
  const second = follow("/store/things/a");
  await next(second);
  feeds.endAll();
  expect(await second.next()).toMatchObject({ done: true });
});

test("only what is read with GET can be followed, a bounded number of it", () => {
  expect(() => toFollowed("/store/things", table)).toThrow(/"\/store\/things" cannot be followed/);
  expect(() => toFollowed("/-/load", table)).toThrow(/cannot be followed/);
  expect(() => toFollowed("http://elsewhere/store/live", table)).toThrow(/cannot be followed/);
  // No request has these: they were tried for ever, as a service that is away.
  for (const path of [
    "/store/things/a b",
    "/store/things/ä",
    "/store/things/a\r\nx: y",
    "x/store/live",
    "/store/things/a#b",
  ]) {
    expect(() => toFollowed(path, table)).toThrow(/cannot be followed/);
  }
  expect(toFollowed("/store/things/a%20b?x=%C3%A4", table)).toHaveLength(1);
  expect(() => toFollowed(undefined, table)).toThrow(/name 1 to 64/);
  expect(() => toFollowed(Array<string>(65).fill("/store/live"), table)).toThrow(/65 addresses/);
});
