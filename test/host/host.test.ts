/** A real host process, driven over its control channel as an engine does. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type SpawnedHost, spawnHost, topologyOf } from "./spawned-host.ts";

let dataDir: string;
const hosts: SpawnedHost[] = [];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "seedcore-host-"));
});
afterEach(async () => {
  for (const host of hosts.splice(0)) {
    host.child.stdin?.end();
    await host.exit();
  }
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(...args: Parameters<typeof spawnHost> extends [string, ...infer R] ? R : never) {
  const host = await spawnHost(dataDir, ...args);
  hosts.push(host);
  return host;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

test("tells its life in order and answers calls", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  expect(host.messages().map(({ type }) => type)).toEqual(["loaded", "waiting", "listening", "waiting", "ready"]);
  const answer = await host.get("/toy/echo/hi");
  expect(await answer.json()).toEqual({ text: "hi", replica: "toy/0@1" });
  expect(await (await host.get("/toy/inner/hi")).json()).toEqual({ text: "hi" });
  expect((await fetch(answer.url)).status).toBe(401);
});

// A service that calls connect() must not go out of its own host to whatever the environment names.
test("connect() inside a host is its own connection, and closing it closes nothing", async () => {
  const elsewhere = { RAY_ADDRESS: "ray://elsewhere:10001", SERVE_GATEWAY: "http://127.0.0.1:1", SEEDCORE_NS: "other" };
  const host = await start({ services: ["toy"] }, {}, elsewhere);
  await host.message("ready");
  const own = { target: 'the organism "test" as one of its hosts', text: "after close", isSame: true };
  expect(await (await host.get("/toy/connected")).json()).toEqual(own);
  expect(await (await host.get("/toy/connected?namespace=test")).json()).toEqual(own);
  const other = (await (await host.get("/toy/connected?namespace=other")).json()) as { detail: string };
  expect(other).toMatchObject({ code: "CONFLICT", detail: expect.stringMatching(/"test".*namespace "other"/) });
});

test("is alive but not ready while it initialises, says why, and becomes ready when it can", async () => {
  const host = await start({ services: ["toy"] }, { config: { toy: { open: false } } });
  expect(await host.message("waiting")).toMatchObject({ for: "toy is being created" });
  expect((await host.message("not-ready")).reason).toContain("does not say open");
  expect((await host.get("/-/health")).status).toBe(200);
  expect((await host.get("/-/ready")).status).toBe(503);
  const refused = await host.get("/toy/echo/hi");
  expect(await refused.json()).toMatchObject({ code: "NOT_READY", started: "no" });
  expect(host.messages().some(({ type }) => type === "ready")).toBe(false);
  host.send({ type: "configure", config: { toy: { open: true } } });
  await host.message("ready");
  expect((await host.get("/-/ready")).status).toBe(200);
  expect((await host.get("/toy/echo/hi")).status).toBe(200);
});

test("draining finishes what is in flight, refuses what is new, ends streams, and exits with 0", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  const slow = host.post("/toy/slow", { ms: 700 });
  const quiet = await host.get("/toy/quiet");
  await eventually(async () => ((await (await host.get("/-/load")).json()) as { inFlight: number }).inFlight === 1);
  host.send({ type: "drain", drainMs: 5_000 });
  await eventually(async () => (await host.get("/-/ready")).status === 503);
  const refused = await host.get("/toy/echo/hi");
  expect(refused.status).toBe(503);
  expect(refused.headers.get("connection")).toBe("close");
  expect(await refused.json()).toMatchObject({ code: "DRAINING", started: "no" });
  expect(await quiet.text()).toContain("DRAINING");
  expect(await (await slow).json()).toEqual({ ms: 700 });
  await host.message("drained");
  expect(await host.exit()).toBe(0);
});

// A deploy that never got ready stayed for as long as a call may take, and whatever was done to its host waited for it.
test("one that is told to go while it is created goes at once, since it has begun nothing", async () => {
  const host = await start({ services: ["toy"] }, { config: { toy: { created: false } } });
  await host.message("waiting");
  host.send({ type: "drain", drainMs: 600_000 });
  await host.message("drained");
  expect(await host.exit()).toBe(0);
});

test("what does not end in the drain time is cancelled: the host still goes", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  const stubborn = host.get("/toy/stubborn", { "x-seedcore-deadline-ms": "60000" });
  await eventually(async () => ((await (await host.get("/-/load")).json()) as { inFlight: number }).inFlight === 1);
  host.send({ type: "drain", drainMs: 100 });
  expect(await (await stubborn).json()).toMatchObject({ code: "CANCELLED" });
  expect(await host.exit()).toBe(0);
});

test("a handler that ignores its signal still gets its caller an answer at the deadline", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  const answer = await host.get("/toy/stubborn", { "x-seedcore-deadline-ms": "200" });
  expect(answer.status).toBe(504);
  expect(await answer.json()).toMatchObject({ code: "DEADLINE", started: "maybe" });
});

test("the end of its standard input ends it with its children: no orphan, whatever killed the parent", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  const { pid } = (await (await host.post("/toy/child", {})).json()) as { pid: number };
  expect(isAlive(pid)).toBe(true);
  host.child.stdin?.end();
  await host.exit();
  await eventually(() => !isAlive(pid));
});

test("a caller that goes away frees its place", async () => {
  const host = await start({ services: ["toy"] });
  const { address } = await host.message("listening");
  await host.message("ready");
  const controller = new AbortController();
  const streams = fetch(`${address}/toy/quiet`, {
    headers: { authorization: `Bearer ${host.token}` },
    signal: controller.signal,
  });
  await streams;
  const open = async () => /seedcore_streams_open\{.*\} (\d+)/.exec(await (await host.get("/-/metrics")).text())?.[1];
  expect(await open()).toBe("1");
  controller.abort();
  await eventually(async () => (await open()) === "0");
});

test("a reader that does not read holds the stream back instead of filling memory", async () => {
  const host = await start({ services: ["toy"] });
  const { address } = await host.message("listening");
  await host.message("ready");
  const resident = async () =>
    Number(/process_resident_memory_bytes\{.*\} (\S+)/.exec(await (await host.get("/-/metrics")).text())?.[1]);
  const before = await resident();
  const url = new URL(address);
  const socket = connect(Number(url.port), url.hostname);
  // A gigabyte, if nobody held it back.
  socket.write(`GET /toy/numbers?count=1000000 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${host.token}\r\n\r\n`);
  socket.pause();
  await sleep(1_000);
  expect((await resident()) - before).toBeLessThan(100 * 1024 * 1024);
  expect((await host.get("/toy/echo/hi")).status).toBe(200);
  socket.destroy();
});

test("a single service works only where the topology puts it, under a new epoch each time, and keys survive a crash", async () => {
  const spec = { services: ["counter"] };
  const first = await start(spec);
  const { address } = await first.message("listening");
  await first.message("ready");
  expect(await (await first.post("/counter/increment", {})).json()).toMatchObject({ code: "NOT_OWNER" });
  first.send({ type: "topology", topology: topologyOf([{ id: "toy/0@1", address, services: ["counter"] }]) });
  await eventually(async () => (await first.post("/counter/increment", {}, { "idempotency-key": "k1" })).ok);
  const again = await first.post("/counter/increment", {}, { "idempotency-key": "k1" });
  expect(await again.json()).toEqual({ count: 1, epoch: 1 });
  process.kill(first.pid, "SIGKILL");
  await first.exit();

  const second = await start(spec, { replicaId: "toy/0@2" });
  const moved = await second.message("listening");
  await second.message("ready");
  second.send({
    type: "topology",
    topology: topologyOf([{ id: "toy/0@2", address: moved.address, services: ["counter"] }], 2),
  });
  await eventually(async () => (await second.post("/counter/increment", {}, { "idempotency-key": "k1" })).ok);
  expect(await (await second.post("/counter/increment", {}, { "idempotency-key": "k1" })).json()).toEqual({
    count: 1,
    epoch: 1,
  });
  expect(await (await second.post("/counter/increment", {}, { "idempotency-key": "k2" })).json()).toEqual({
    count: 2,
    epoch: 2,
  });
});

// Were it liveness, a database that blips would restart every host at once.
test("a database that cannot be used shows in readiness, not in liveness, until it can be used again", async () => {
  const host = await start({ services: ["counter"] });
  const { address } = await host.message("listening");
  host.send({ type: "topology", topology: topologyOf([{ id: "toy/0@1", address, services: ["counter"] }]) });
  await eventually(async () => (await host.post("/counter/increment", {})).status === 200);
  expect((await host.get("/-/ready")).status).toBe(200);
  using locker = new DatabaseSync(join(dataDir, "counter.db"));
  locker.exec("begin immediate");
  expect(await (await host.post("/counter/increment", {})).json()).toMatchObject({ code: "STORAGE" });
  expect((await host.get("/-/ready")).status).toBe(503);
  expect((await host.get("/-/health")).status).toBe(200);
  locker.exec("rollback");
  await eventually(async () => (await host.get("/-/ready")).status === 200);
  expect(host.messages().filter(({ type }) => type === "not-ready")).toEqual([]);
});

// A thread ends when its memory does, or by a defect: every later call of its host failed, for ever.
test("a database whose thread dies is opened again: what was acknowledged is there, and the log has the cause", async () => {
  const host = await start({ services: ["counter"] });
  const { address } = await host.message("listening");
  host.send({ type: "topology", topology: topologyOf([{ id: "toy/0@1", address, services: ["counter"] }]) });
  await eventually(async () => (await host.post("/counter/increment", {})).status === 200);
  expect(await (await host.post("/counter/threads/kill", {})).json()).toEqual({ killed: 1 });
  expect(await (await host.post("/counter/increment", {})).json()).toEqual({ count: 2, epoch: 1 });
  expect(host.output()).toMatch(/"level":"error".*counter\.db ended: exit code 1.*opened again/);
});

test("a host that cannot start says why", async () => {
  const host = await start({ services: ["broken"] });
  expect((await host.message("failed")).message).toContain("the model file is missing");
  expect(await host.exit()).toBe(1);
});

test("a port that is taken is named", async () => {
  const first = await start({ services: ["toy"] });
  const port = Number(new URL((await first.message("listening")).address).port);
  const second = await start({ services: ["toy"], port });
  expect((await second.message("failed")).message).toContain(String(port));
});

test("a defect outside of any call ends the host with its cause in the log; the engine starts another", async () => {
  const host = await start({ services: ["toy"] });
  await host.message("ready");
  await host.post("/toy/crash", {}).catch(() => {});
  expect(await host.exit()).toBe(1);
  expect(host.output()).toContain("a defect outside of any call");
});
