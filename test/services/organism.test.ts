import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EngineStatus, ReplicaState } from "#runtime/engine/engine.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { type Box, type BoxOptions, openBox } from "./organism-in-a-box.ts";
import { temporaryPlace } from "../temporary-place.ts";
import { eventually } from "./eventually.ts";

let place: Awaited<ReturnType<typeof temporaryPlace>>;
let box: Box | undefined;
let server: Server | undefined;

beforeEach(async () => {
  place = await temporaryPlace();
});

afterEach(async () => {
  await box?.close();
  server?.closeAllConnections();
  server?.close();
  box = undefined;
  server = undefined;
  await place.remove();
});

async function open(options: Omit<BoxOptions, "place"> = {}): Promise<Box> {
  box = await openBox({ place, ...options });
  return box;
}

interface Received {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Answers every request with `status` after noting it; status 0 hangs up instead. */
async function listen(
  status: number,
  headers: Record<string, string> = {},
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const url = await serve((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      received.push({ method: request.method ?? "", headers: request.headers, body });
      if (status === 0) request.socket.destroy();
      else response.writeHead(status, headers).end('{"seen":true}');
    });
  });
  return { url, received };
}

/** The address of a server on this machine that lives as long as the test. */
async function serve(answer: RequestListener): Promise<string> {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}/hook`;
}

/** Writes a little again and again, until nobody listens. */
function drip(response: ServerResponse, write: () => void): void {
  const timer = setInterval(write, 5);
  response.once("close", () => clearInterval(timer));
}

const LOOPBACK = { allowLoopback: true };

describe("webhooks and HTTP calls", () => {
  it("posts JSON once, under a key the receiver can tell repeats by, and takes 2xx as the effect", async () => {
    const { url, received } = await listen(202);
    const { organism } = await open({ organism: LOOPBACK });
    const params = { channel: "webhook", url, message: "cpu is high", data: { severity: "low" } };
    const done = await organism.execute({ taskId: "task_1", type: "notify", params });
    expect(done).toMatchObject({
      skill: "notify",
      organ: "actuator_organ_1",
      effect: { state: "confirmed" },
      result: { status: 202 },
    });
    expect(received).toHaveLength(1);
    expect(received[0]?.headers).toMatchObject({ "content-type": "application/json", "idempotency-key": "task_1" });
    expect(JSON.parse(received[0]?.body ?? "")).toEqual({
      message: "cpu is high",
      taskId: "task_1",
      data: { severity: "low" },
      isOver: false,
    });
    // Whoever was told is told when it is over, by the same with one word changed.
    expect(done.undo).toEqual({ skill: "notify", params: { ...params, allowPrivate: false, isOver: true } });
  });

  it("follows no redirect, and says what was answered", async () => {
    const { url, received } = await listen(302, { location: "http://127.0.0.1:9/secret" });
    const { organism } = await open({ organism: LOOPBACK });
    const refused = organism.execute({
      taskId: "t",
      type: "notify",
      params: { channel: "webhook", url, message: "m" },
    });
    await expect(refused).rejects.toMatchObject({ code: "SKILL_FAILED", data: { retryable: false } });
    expect(received).toHaveLength(1);
    const called = await organism.execute({ taskId: "u", type: "call-http", params: { url, expectedStatus: [302] } });
    expect(called.result).toMatchObject({ status: 302, body: '{"seen":true}' });
  });

  // A skill that asks whatever it is told is a way into the network the organism runs in.
  it.each([
    ["http://127.0.0.1:1/", {}],
    ["http://localhost:1/", {}],
    ["http://[::ffff:127.0.0.1]:1/", {}],
    ["http://169.254.169.254/latest/meta-data", {}],
    ["http://10.0.0.1/", {}],
    ["http://localhost:1/", { allowPrivate: true }],
    ["http://2130706433:1/", { allowPrivate: true }],
    ["http://0x7f000001:1/", { allowPrivate: true }],
    ["http://[::ffff:127.0.0.1]:1/", { allowPrivate: true }],
    // Linux takes them for itself.
    ["http://0.0.0.0:1/", { allowPrivate: true }],
    ["http://[::]:1/", { allowPrivate: true }],
    ["http://[::ffff:0.0.0.0]:1/", { allowPrivate: true }],
    ["http://100.64.0.1/", {}],
    ["http://[fe80::1]/", {}],
    ["http://[64:ff9b::10.0.0.1]/", {}],
  ])("does not ask %s with %o", async (url, extra) => {
    const { organism } = await open();
    const call = organism.execute({ taskId: "t", type: "call-http", params: { url, ...extra } });
    await expect(call).rejects.toMatchObject({
      code: "SKILL_FAILED",
      data: { retryable: false, reason: expect.stringContaining("address of") },
    });
  });

  it("may try again what was never taken, and says that it does not know what was sent and not answered", async () => {
    const { organism } = await open({ organism: LOOPBACK });
    const refused = organism.execute({ taskId: "a", type: "call-http", params: { url: "http://127.0.0.1:1/" } });
    await expect(refused).rejects.toMatchObject({ code: "SKILL_FAILED", data: { retryable: true } });
    const { url, received } = await listen(0);
    const broken = organism.execute({ taskId: "b", type: "call-http", params: { url, body: { order: 1 } } });
    await expect(broken).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(received).toHaveLength(1);
    const harmless = organism.execute({ taskId: "c", type: "call-http", params: { url, method: "GET" } });
    await expect(harmless).rejects.toMatchObject({ code: "SKILL_FAILED", data: { retryable: true } });
  });

  // A receiver that takes a request and never comes to an end with its answer must not hold a task for ever, nor others.
  it.each<[string, (response: ServerResponse) => void]>([
    ["answers nothing", () => {}],
    [
      "sends headers without end",
      (response) => {
        response.socket?.write("HTTP/1.1 200 OK\r\nx: ");
        drip(response, () => response.socket?.write("a"));
      },
    ],
    [
      "sends a body without end",
      (response) => {
        response.writeHead(200);
        drip(response, () => response.write("a"));
      },
    ],
  ])("gives up a receiver that %s when its time is over, and tries again", async (_what, hang) => {
    const clock = createFakeClock();
    let asked = 0;
    let isGivenUp = false;
    const url = await serve((_request, response) => {
      asked++;
      if (asked > 1) return response.writeHead(200).end();
      response.once("close", () => {
        isGivenUp = true;
      });
      return hang(response);
    });
    const { coordinator } = await open({ clock, organism: LOOPBACK, coordinator: { tasks: { retryBaseMs: 2 } } });
    const { id } = await coordinator.submitTask({ type: "notify", params: { channel: "webhook", url, message: "m" } });
    await eventually(() => expect(asked).toBe(1));
    const other = await coordinator.submitTask({ type: "noop" });
    await eventually(async () => expect((await coordinator.getTask({ id: other.id })).state).toBe("succeeded"));
    await clock.advance(9_999);
    expect((await coordinator.getTask({ id })).state).toBe("running");
    await clock.advance(1);
    // It said that organism.execute did not answer: who did not, and where, is what a person can do something about.
    await eventually(async () =>
      expect((await coordinator.getTask({ id })).error?.message).toContain(new URL(url).origin),
    );
    await eventually(async () => {
      await clock.advance(2);
      expect(await coordinator.getTask({ id })).toMatchObject({ state: "succeeded", attempts: 2 });
    });
    expect(asked).toBe(2);
    await eventually(() => expect(isGivenUp).toBe(true));
  });

  it("tells a receiver that has failed again, under the same key, and not once more when it has taken it", async () => {
    const keys: unknown[] = [];
    const url = await serve((request, response) => {
      keys.push(request.headers["idempotency-key"]);
      response.writeHead(keys.length < 3 ? 500 : 200).end();
    });
    const { coordinator } = await open({ organism: LOOPBACK, coordinator: { tasks: { retryBaseMs: 2 } } });
    const { id } = await coordinator.submitTask({ type: "notify", params: { channel: "webhook", url, message: "m" } });
    expect(await coordinator.getTask({ id, waitMs: 10_000 })).toMatchObject({ state: "succeeded", attempts: 3 });
    expect(keys).toEqual([id, id, id]);
  });

  it("keeps the secrets of an address out of what it tells", async () => {
    const { organism } = await open({ organism: LOOPBACK });
    const address = new URL(await serve((_request, response) => response.writeHead(200).end()));
    address.username = "me";
    address.password = "open-sesame";
    const url = `${address.href}?key=k-123`;
    const { effect } = await organism.execute({ taskId: "t", type: "call-http", params: { url } });
    expect(effect.evidence).toBe(`POST ${address.origin}/hook answered 200.`);
    const refused = await organism.execute.try({
      taskId: "u",
      type: "call-http",
      params: { url, expectedStatus: [201] },
    });
    expect(JSON.stringify(refused)).not.toMatch(/sesame|k-123/);
  });

  // Node throws at such a header: what a person wrote would be told as a defect of ours.
  it("refuses a header that could not be sent, or would end in another one", async () => {
    const { organism } = await open({ organism: LOOPBACK });
    for (const value of ["a\r\nx-other: b", "\u0000", "😀"]) {
      const params = { url: "http://127.0.0.1:9/", headers: { a: value } };
      expect(await organism.execute.try({ taskId: "t", type: "call-http", params })).toMatchObject({
        error: { code: "BAD_PARAMS", data: { issues: [expect.stringMatching(/^headers\.a/)] } },
      });
    }
  });

  // A field of the data called "level" or "time" would be read as the line's own.
  it("tells the log, and what it is given stays apart from what the log says itself", async () => {
    const box = await open();
    const params = { message: "m", data: { level: "fatal", time: "1970", notification: false } };
    await box.organism.execute({ taskId: "t", type: "notify", params });
    const told = box.log.lines.find(({ message }) => message === "m");
    expect(told?.fields).toMatchObject({ notification: true, taskId: "t", data: { level: "fatal" } });
    expect(told?.fields).not.toHaveProperty("level");
  });

  it("names every parameter that is wrong", async () => {
    const { organism } = await open();
    const call = organism.execute.try({ taskId: "t", type: "call-http", params: { url: "ftp://x", method: "BREW" } });
    expect(await call).toMatchObject({
      error: {
        code: "BAD_PARAMS",
        data: { issues: [expect.stringMatching(/^method/), expect.stringMatching(/^url/)] },
      },
    });
  });
});

describe("an execution", () => {
  it("stops when its caller goes away", async () => {
    const { organism } = await open();
    const stop = new AbortController();
    const call = organism.execute(
      { taskId: "t", type: "noop", params: { durationMs: 60_000 } },
      { signal: stop.signal },
    );
    await eventually(async () => expect(running(await organism.status({}))).toBe(1));
    stop.abort(new ServiceError("CANCELLED", "gone"));
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    await eventually(async () => expect(running(await organism.status({}))).toBe(0));
  });

  // A coordinator that believes an attempt lost starts the next one: the lost one must not go on beside it.
  it("of an earlier attempt ends when a later one comes, and none comes back", async () => {
    const { organism } = await open();
    const slow = { taskId: "t", type: "noop", params: { durationMs: 60_000 } };
    const first = organism.execute({ ...slow, attempt: 1 });
    first.catch(() => {});
    await eventually(async () => expect(running(await organism.status({}))).toBe(1));
    await expect(organism.execute({ ...slow, attempt: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
    const second = await organism.execute({ ...slow, params: {}, attempt: 2 });
    expect(second.effect.state).toBe("confirmed");
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(organism.execute({ ...slow, attempt: 1 })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("is told to state in sums, so that agents grow with what they do", async () => {
    const { organism, state } = await open({ organism: { recordEveryMs: 20 } });
    await organism.execute({ taskId: "a", type: "noop" });
    await organism.execute({ taskId: "b", type: "noop" });
    await expect(
      organism.execute({ taskId: "c", type: "restart-host", params: { host: "core" } }),
    ).rejects.toMatchObject({ code: "SKILL_FAILED" });
    const agents = await eventually(async () => {
      const known = (await state.agents({})).agents;
      expect(known.reduce((sum, agent) => sum + agent.succeeded + agent.failed, 0)).toBe(3);
      return known;
    });
    expect(agents).toHaveLength(6);
    const utility = agents.filter(({ organ }) => organ === "utility_organ_1");
    expect(utility.reduce((sum, { succeeded }) => sum + succeeded, 0)).toBe(2);
    // Each is known with the roles of its kind, and what it has done has moved them.
    for (const { roles, succeeded } of utility) {
      if (succeeded === 0) expect(roles).toEqual({ E: 0.2, S: 0.3, O: 0.5 });
      else expect(roles).not.toEqual({ E: 0.2, S: 0.3, O: 0.5 });
      expect(roles.E + roles.S + roles.O).toBeCloseTo(1, 12);
    }
    const { organs } = await organism.organs({});
    expect(organs.map(({ id }) => id)).toEqual(["actuator_organ_1", "cognitive_organ_1", "utility_organ_1"]);
    expect((await organism.skills({})).skills.find(({ name }) => name === "call-http")?.params).toMatchObject({
      type: "object",
    });
  });
});

describe("routing", () => {
  it("goes by domain, then type, then the skill's name, and keeps its rules", async () => {
    const { organism } = await open();
    expect(await organism.resolveRoute({ type: " NOOP " })).toMatchObject({
      organ: "utility_organ_1",
      skill: "noop",
      resolvedFrom: "skill",
    });
    const toSkill = { skill: "noop" };
    await organism.changeRoutingRules({
      add: [
        { taskType: "Ping", domain: null, organ: "utility_organ_1", ...toSkill },
        { taskType: "ping", domain: "Web", organ: "actuator_organ_1", ...toSkill },
      ],
    });
    expect(await organism.resolveRoute({ type: "ping" })).toMatchObject({
      organ: "utility_organ_1",
      resolvedFrom: "type",
    });
    expect(await organism.resolveRoute({ type: "ping", domain: "web" })).toMatchObject({
      organ: "actuator_organ_1",
      resolvedFrom: "domain",
    });
    const { rules } = await organism.changeRoutingRules({ remove: [{ taskType: "ping", domain: "web" }] });
    expect(rules).toEqual([{ taskType: "ping", domain: null, organ: "utility_organ_1", skill: "noop" }]);
    expect(await organism.resolveRoute.try({ type: "pong" })).toMatchObject({
      error: { code: "UNKNOWN_TASK_TYPE", data: { known: expect.arrayContaining(["noop", "ping"]) } },
    });
    const nowhere = organism.changeRoutingRules.try({
      add: [{ taskType: "a", domain: null, organ: "spleen", skill: "noop" }],
    });
    expect(await nowhere).toMatchObject({ error: { code: "UNKNOWN_ORGAN" } });
  });
});

describe("hosts", () => {
  const ready: ReplicaState = { kind: "ready", sinceMs: 0, address: "http://127.0.0.1:1" };
  const draining: ReplicaState = { kind: "draining", sinceMs: 0 };

  /** An engine of one host whose replicas the test sets. */
  function engineOf(host: { replicas: [string, ReplicaState][]; generation: number; version?: string }, wanted = 1) {
    const spec = () => HostSpec.parse({ name: "core", services: ["coordinator"], replicas: wanted, drainMs: 400 });
    const row = () => ({ spec: spec(), generation: host.generation, revision: 1 });
    const unknown = (name: string) => Promise.reject(new ServiceError("NOT_FOUND", `There is no host "${name}".`));
    const desired: DesiredState = {
      list: async () => [row()],
      put: () => unknown(""),
      remove: () => unknown(""),
      giveUp: () => unknown(""),
      scale: async (name, replicas) => {
        if (name !== "core") return unknown(name);
        wanted = replicas;
        return row();
      },
      startRollout: (name) => unknown(name),
      changeRollout: (name) => unknown(name),
      rollBack: async (name) => {
        if (name !== "core") return unknown(name);
        const back = { ...spec(), version: "0" };
        return { spec: back, previous: spec(), generation: host.generation + 1, revision: 2 };
      },
      restart: async (name) => {
        if (name !== "core") return unknown(name);
        return { ...row(), generation: host.generation + 1 };
      },
    };
    const engineStatus = (): EngineStatus => ({
      kind: "embedded",
      hosts: [
        {
          spec: spec(),
          generation: host.generation,
          replicas: host.replicas.map(([id, state]) => ({
            id,
            pid: 1,
            version: host.version ?? "1",
            generation: 1,
            restarts: 0,
            state,
          })),
        },
      ],
    });
    return { desired, engineStatus };
  }

  it("are restarted when new replicas are ready and old ones gone, also the one that is asked", async () => {
    const host = { replicas: [["core/0@1", ready]] as [string, ReplicaState][], generation: 1 };
    const { organism } = await open({ ...engineOf(host), replicaId: "core/0@1" });
    const call = organism.execute({ taskId: "t", type: "restart-host", params: { host: "core" } });
    await eventually(async () => expect(running(await organism.status({}))).toBe(1));
    host.generation = 2;
    host.replicas = [
      ["core/0@1", draining],
      ["core/0@2", ready],
    ];
    expect(await call).toMatchObject({
      effect: { state: "confirmed" },
      result: { generation: 2 },
      change: { kind: "restart", target: "core" },
    });
  });

  // What is ready of the present version is no sign that the way back was taken.
  it("are rolled back when all that is ready is of the version before, and can be taken forth again", async () => {
    const host = { replicas: [["core/0@1", ready]] as [string, ReplicaState][], generation: 1, version: "1" };
    const { organism } = await open(engineOf(host));
    const call = organism.execute({ taskId: "t", type: "roll-back-host", params: { host: "core" } });
    await eventually(async () => expect(running(await organism.status({}))).toBe(1));
    host.generation = 2;
    host.replicas.push(["core/0@2", ready]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(running(await organism.status({}))).toBe(1);
    host.version = "0";
    host.replicas.shift();
    expect(await call).toMatchObject({
      effect: { state: "confirmed" },
      result: { version: "0", previous: "1" },
      change: { kind: "rollback", target: "core" },
      undo: { skill: "roll-back-host", params: { host: "core", to: "1" } },
    });
    expect(await organism.undoOf({ type: "roll-back-host", params: { host: "core" } })).toMatchObject({
      undo: { params: { to: "1" } },
    });
    expect(await organism.undoOf({ type: "restart-host", params: { host: "core" } })).toEqual({ undo: null });
  });

  it("that cannot be looked at to the end, because this process goes first, have an unknown effect", async () => {
    const host = { replicas: [["core/0@1", draining]] as [string, ReplicaState][], generation: 2 };
    const { organism } = await open({ ...engineOf(host), replicaId: "core/0@1" });
    const { effect } = await organism.execute({ taskId: "t", type: "restart-host", params: { host: "core" } });
    expect(effect).toMatchObject({ state: "unknown", evidence: expect.stringContaining("being replaced") });
  });

  it("are scaled when as many as wanted are ready; an unknown one is refused with those there are", async () => {
    const host = { replicas: [["core/0@1", ready]] as [string, ReplicaState][], generation: 1 };
    const { coordinator, organism } = await open(engineOf(host));
    const { id } = await coordinator.submitTask({ type: "scale-host", params: { host: "core", replicas: 2 } });
    await eventually(async () => expect((await coordinator.getTask({ id })).state).toBe("running"));
    host.replicas.push(["core/1@1", ready]);
    const done = await coordinator.getTask({ id, waitMs: 10_000 });
    expect(done).toMatchObject({ state: "succeeded", effect: { state: "confirmed" } });
    const crossing = {
      id: "host/cpu@1",
      source: "host",
      series: "cpu",
      startedAtMs: Date.now(),
      value: 2,
      expected: 1,
      spread: 1,
      score: 1,
      direction: "up",
    } as const;
    const { incidentId } = await coordinator.reportCrossing({ id: crossing.id, crossing });
    const { changes } = await coordinator.getIncident({ id: incidentId ?? "" });
    expect(changes).toMatchObject([{ id: `change_${id}`, kind: "scale", target: "core" }]);
    const unknown = organism.execute({ taskId: "t", type: "scale-host", params: { host: "gpu", replicas: 1 } });
    await expect(unknown).rejects.toMatchObject({ data: { reason: expect.stringContaining("There are: core") } });
  });
});

function running(status: { readonly organs: readonly { readonly running: number }[] }): number {
  return status.organs.reduce((sum, organ) => sum + organ.running, 0);
}
