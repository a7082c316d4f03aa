/**
 * Ray's client protocol against real Ray: what the fake server of the unit tests can only claim.
 * @module-tag smoke
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { systemClock } from "#core/clock.ts";
import { isServiceError, type ServiceError } from "#core/service-error.ts";
import type { ActorHandle } from "#runtime/ray/client/actor-handle.ts";
import type { ObjectRef } from "#runtime/ray/client/object-ref.ts";
import type { PythonExceptionData } from "#runtime/ray/client/python-failure.ts";
import { PyCall, PyGlobal, type PyValue } from "#runtime/ray/pickle/values.ts";
import { createRay, type Ray } from "#runtime/ray/ray.ts";
import { startCluster } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";

const cluster = inject("ray");
const endpoint = endpointOf(cluster);

function open(more: Partial<Parameters<typeof createRay>[0]> = {}): Ray {
  return createRay({ endpoint, namespace: "client-test", ...more }, { clock: systemClock });
}

async function failure(promise: Promise<unknown>): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    if (isServiceError(error)) return error;
    throw error;
  }
  throw new Error("It did not fail.");
}

/** A Python expression that Ray's server of the session evaluates, inside its own process. */
async function inServer<T extends PyValue>(ray: Ray, expression: string): Promise<T> {
  using ref = await ray.put(new PyCall(new PyGlobal("builtins", "eval"), [expression]));
  return (await ray.get(ref)) as PyValue as T;
}

const HELD_OBJECTS =
  "sum(len(refs) for o in __import__('gc').get_objects() if type(o).__name__ == 'RayletServicer' for refs in o.object_refs.values())";

const MODULE = `
import asyncio, os, time

def fail(text):
    raise ValueError(text)

def size(data, plus=0):
    return len(data) + plus

def crash():
    os._exit(1)

def ask(counter):
    import ray
    return ray.get(counter.add.remote(0))

def give_handles(counter):
    import ray
    return {"object": ray.put("inside"), "actor": counter}

class Counter:
    def __init__(self, start=0):
        if start < 0:
            raise ValueError("below zero")
        self.count = start
    def add(self, n):
        self.count += n
        return self.count
    def sleep(self, seconds):
        time.sleep(seconds)
    def crash(self):
        os._exit(1)

class Waiter:
    def __init__(self):
        self.waiting = 0
    async def wait(self, seconds):
        self.waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting -= 1
    async def count(self):
        return self.waiting
`;

interface Counter {
  add(n: number): number;
  sleep(seconds: number): null;
  crash(): null;
}

interface Waiter {
  wait(seconds: number): null;
  count(): number;
}

const packageUri = `gcs://_ray_pkg_${randomBytes(20).toString("hex")}.zip`;
let ray: Ray;

beforeAll(async () => {
  const script =
    "import io, sys, zipfile; b = io.BytesIO(); z = zipfile.ZipFile(b, 'w');" +
    "z.writestr('client_test.py', sys.stdin.read()); z.close(); sys.stdout.buffer.write(b.getvalue())";
  const zip = execFileSync(cluster.python, ["-c", script], { input: MODULE });
  const outside = open();
  await outside.store.put(packageUri, zip);
  await outside.store.pinPackage(packageUri, 600);
  await outside.close();
  ray = open({ runtimeEnv: { working_dir: packageUri } });
});

afterAll(() => ray.close());

/** A name that no other test, and no run before on the same cluster, has used. */
const newName = () => `actor-${randomBytes(6).toString("hex")}`;

describe("without a session", () => {
  test("a wrong token is refused as such, a wrong port as unreachable, and silence ends at a deadline", async () => {
    const wrongToken = open({ endpoint: { ...endpoint, token: "0".repeat(64) } });
    const refused = await failure(wrongToken.versions());
    expect([refused.code, refused.started]).toEqual(["UNAUTHENTICATED", "no"]);

    const silent = createServer((socket) => void socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port: silentPort } = silent.address() as AddressInfo;
    const nobody = open({ endpoint: { ...endpoint, host: "127.0.0.1", port: silentPort } });
    const hung = await failure(nobody.versions({ deadlineMs: 500 }));
    expect([hung.code, hung.started]).toEqual(["DEADLINE", "no"]);
    await nobody.close();
    await new Promise((resolve) => silent.close(resolve));

    const unreachable = open({ endpoint: { ...endpoint, host: "127.0.0.1", port: silentPort } });
    const gone = await failure(unreachable.versions());
    expect([gone.code, gone.started]).toEqual(["UNAVAILABLE", "no"]);
    expect([wrongToken.state, nobody.state, unreachable.state]).toEqual(["lost", "closed", "lost"]);
  });

  test("the store keeps what it is given, and needs no session", async () => {
    await using outside = open();
    const key = `client-test/${randomBytes(6).toString("hex")}`;
    expect(await outside.store.get(key)).toBeUndefined();
    expect(await outside.store.put(key, Buffer.from("one"))).toBe(true);
    expect(await outside.store.put(key, Buffer.from("two"))).toBe(false);
    expect(Buffer.from((await outside.store.get(key)) ?? []).toString()).toBe("one");
    expect(await outside.store.put(key, Buffer.from("two"), { overwrite: true })).toBe(true);
    expect(await outside.store.list("client-test/")).toContain(key);
    await outside.store.delete(key);
    expect(await outside.store.exists(key)).toBe(false);
    expect(outside.state).toBe("idle");
  });

  test("a package that is not there fails the opening, and says which", async () => {
    await using broken = open({ runtimeEnv: { working_dir: `gcs://_ray_pkg_${"0".repeat(40)}.zip` } });
    const error = await failure(broken.versions());
    expect([error.code, error.started]).toEqual(["INVALID_INPUT", "no"]);
    expect(error.message).toContain("0".repeat(40));
  });
});

// So are most heads: its proxy forks for each session, and what it forks dies of it as often as not.
test("a session opens on a head that was started without GRPC_ENABLE_FORK_SUPPORT=0", async () => {
  const usual = await startCluster({ serve: false, env: { GRPC_ENABLE_FORK_SUPPORT: undefined } });
  try {
    for (let count = 0; count < 5; count++) {
      await using mine = open({ endpoint: endpointOf(usual) });
      expect(await mine.nodes()).toHaveLength(1);
    }
  } finally {
    await usual.stop();
  }
});

describe("a session", () => {
  // A server process of its own for each would cost the head 100 MB a piece.
  test("is one, however many ask for it at once", async () => {
    await using other = open();
    const pids = await Promise.all([1, 2, 3, 4].map(() => inServer<number>(other, "__import__('os').getpid()")));
    expect(new Set(pids).size).toBe(1);
  });

  test("moves 50 MB there and back unharmed, also as an argument, with small calls between the pieces", async () => {
    const data = randomBytes(50_000_000);
    const size = ray.task<(data: Uint8Array, plus?: number) => number>("client_test:size");
    const [ref, sizes] = await Promise.all([
      ray.put(data),
      Promise.all([1, 2, 3].map((n) => size.call([new Uint8Array(n)]))),
    ]);
    expect(sizes).toEqual([1, 2, 3]);
    expect(Buffer.compare(await ray.get(ref), data)).toBe(0);
    expect(await size.call([ref], { kwargs: { plus: 1 } })).toBe(50_000_001);
    expect(await size.call([data.subarray(0, 12_000_000)])).toBe(12_000_000);
    ref.release();
  });

  test("knows the cluster", async () => {
    const nodes = await ray.nodes();
    expect(nodes.filter(({ alive }) => alive).map(({ address }) => address)).toEqual(
      expect.arrayContaining([...cluster.nodes]),
    );
    const { total, available } = await ray.resources();
    expect(total["CPU"]).toBeGreaterThan(0);
    expect(available["CPU"]).toBeLessThanOrEqual(total["CPU"] ?? 0);
    expect((await ray.versions()).ray).toMatch(/^2\.\d+\.\d+$/);
  });

  // What nobody releases stays in the head's memory as long as the session lives.
  test("frees what is released, what leaves its scope, and what is collected", async () => {
    // A session of its own: in the shared one, what earlier tests let go of is still on its way.
    await using own = open();
    const before = await inServer<number>(own, HELD_OBJECTS);
    const refs = await Promise.all([1, 2, 3].map((n) => own.put(n)));
    {
      using scoped = await own.put("scoped");
      expect(await inServer<number>(own, HELD_OBJECTS)).toBeGreaterThanOrEqual(before + 4);
      expect(scoped.id).toMatch(/^[0-9a-f]{56}$/);
    }
    refs[0]?.release();
    refs[0]?.release();
    const released = await failure(own.get(refs[0] as ObjectRef<number>));
    expect([released.code, released.started]).toEqual(["INVALID_INPUT", "no"]);
    refs.length = 0;
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    await vi.waitFor(
      async () => {
        collect();
        expect(await inServer<number>(own, HELD_OBJECTS)).toBeLessThanOrEqual(before);
      },
      { timeout: 30_000, interval: 200 },
    );
  });

  test("whose process is silent ends its calls at their deadlines, and is another soon after", async () => {
    await using mine = open();
    const pid = await inServer<number>(mine, "__import__('os').getpid()");
    process.kill(pid, "SIGSTOP");
    try {
      const inFlight = failure(mine.nodes({ deadlineMs: 60_000 }));
      const late = await failure(mine.nodes({ deadlineMs: 1_000 }));
      expect([late.code, late.started]).toEqual(["DEADLINE", "maybe"]);
      const lost = await inFlight;
      expect([lost.code, lost.started]).toEqual(["CONNECTION_LOST", "maybe"]);
      expect(mine.state).toBe("lost");
      expect(await inServer<number>(mine, "__import__('os').getpid()")).not.toBe(pid);
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });

  test("that lost its process fails what was in flight, finds named actors again, and says what it lost", async () => {
    await using mine = open({ runtimeEnv: { working_dir: packageUri } });
    const name = newName();
    const counters = mine.actor<Counter>("client_test:Counter", { name, lifetime: "detached", numCpus: 0 });
    const counter = await counters.create([40]);
    expect(await counter.call("add", [1])).toBe(41);
    const unnamed = await mine.actor<Counter>("client_test:Counter", { numCpus: 0 }).create([]);
    await unnamed.call("add", [1]);
    const ref = await mine.put("lost with its session");
    const inFlight = failure(mine.task<(seconds: number) => null>("time:sleep").call([30]));
    await vi.waitFor(async () => expect((await mine.resources()).available["CPU"]).toBeLessThan(16), {
      timeout: 20_000,
    });

    process.kill(await inServer<number>(mine, "__import__('os').getpid()"), "SIGKILL");
    const lost = await inFlight;
    expect([lost.code, lost.started]).toEqual(["CONNECTION_LOST", "maybe"]);
    expect(await counter.call("add", [1])).toBe(42);
    expect(await mine.task<(c: typeof counter) => number>("client_test:ask").call([counter])).toBe(42);
    for (const gone of [await failure(mine.get(ref)), await failure(unnamed.call("add", [1]))]) {
      expect([gone.code, gone.started]).toEqual(["NOT_FOUND", "no"]);
      expect(gone.message).toContain("belonged to a Ray session that was lost");
    }
    await counter.kill();
  });
});

describe("a task", () => {
  test("that raises fails with Python's class, message and traceback", async () => {
    const error = await failure(ray.task<(text: string) => null>("client_test:fail").call(["no luck"]));
    expect([error.code, error.started, error.retryable]).toEqual(["PYTHON_EXCEPTION", "yes", false]);
    expect(error.data).toMatchObject({ exception: "builtins.ValueError", message: "no luck" });
    expect((error.data as PythonExceptionData).traceback).toMatch(/client_test\.py", line \d+, in fail/);
  });

  test("whose module is nowhere fails so, and says its name", async () => {
    const error = await failure(ray.task("no_such_module:f").call([]));
    expect(error.message).toContain("No module named 'no_such_module'");
  });

  test("whose worker dies may have run", async () => {
    const error = await failure(ray.task("client_test:crash", { maxRetries: 0 }).call([]));
    expect([error.code, error.started]).toEqual(["CONNECTION_LOST", "maybe"]);
  });

  test("that no node can run ends at its deadline", async () => {
    const error = await failure(ray.task("time:time", { numCpus: 10_000 }).call([], { deadlineMs: 500 }));
    expect([error.code, error.retryable]).toEqual(["DEADLINE", true]);
  });

  test("is waited for, cancelled, and then says so", async () => {
    const quick = await ray.task<() => number>("time:time").start([]);
    const slow = await ray.task<(seconds: number) => number>("time:sleep").start([600]);
    const { ready, pending } = await ray.wait([quick, slow], { count: 2, timeoutMs: 2_000 });
    expect([ready, pending]).toEqual([[quick], [slow]]);
    // Ray took neither, and gave no reason.
    expect((await ray.wait([slow, quick], { timeoutMs: Infinity })).ready).toEqual([quick]);
    const wrong = await failure(ray.wait([quick], { timeoutMs: -1 }));
    expect([wrong.code, wrong.message]).toEqual(["INVALID_INPUT", "Cannot wait for -1 ms."]);
    await ray.cancel(slow, { force: true });
    const error = await failure(ray.get(slow));
    expect([error.code, error.started]).toEqual(["CANCELLED", "maybe"]);
  });

  test("takes objects and actors, and gives them", async () => {
    using counter = await ray.actor<Counter>("client_test:Counter", { numCpus: 0 }).create([7]);
    const give =
      ray.task<(c: unknown) => { object: ObjectRef<string>; actor: ActorHandle<Counter> }>("client_test:give_handles");
    const { object, actor } = await give.call([counter]);
    expect(await ray.get(object)).toBe("inside");
    expect(await actor.call("add", [1])).toBe(8);
  });
});

describe("an actor", () => {
  test("is found by its name from another session, keeps its state, and is gone when killed", async () => {
    const name = newName();
    const options = { name, lifetime: "detached", numCpus: 0 } as const;
    const first = await ray.actor<Counter>("client_test:Counter", options).create([1]);
    const taken = await failure(ray.actor<Counter>("client_test:Counter", options).create([1]));
    expect([taken.code, taken.started]).toEqual(["CONFLICT", "no"]);
    const same = await ray.actor<Counter>("client_test:Counter", { ...options, getIfExists: true }).create([99]);
    expect(await same.call("add", [1])).toBe(2);

    await using other = open({ runtimeEnv: { working_dir: packageUri } });
    const found = await other.getActor<Counter>(name);
    expect(await found.call("add", [1])).toBe(3);
    await using without = open();
    const blind = await without.getActor<{ add(): number }>(name);
    expect(await blind.call("add", [], { kwargs: { n: 1 } })).toBe(4);
    expect((await failure(other.getActor(name, { namespace: "elsewhere" }))).code).toBe("NOT_FOUND");
    await found.kill();
    const dead = await failure(first.call("add", [1]));
    expect(dead.code).toBe("ACTOR_DIED");
    expect((await failure(first.call("add", [1]))).code).toBe("NOT_FOUND");
  });

  test("whose constructor raises says what, and that no method ran", async () => {
    using broken = await ray.actor<Counter>("client_test:Counter", { numCpus: 0 }).create([-1]);
    const error = await failure(broken.call("add", [1]));
    expect([error.code, error.started]).toEqual(["PYTHON_EXCEPTION", "no"]);
    expect(error.data).toMatchObject({ exception: "builtins.ValueError", message: "below zero" });
  });

  test("that dies takes its calls with it", async () => {
    using mortal = await ray.actor<Counter>("client_test:Counter", { numCpus: 0 }).create([]);
    const error = await failure(mortal.call("crash", []));
    expect([error.code, error.started, error.retryable]).toEqual(["ACTOR_DIED", "maybe", false]);
  });

  test("that is restarting may have run what was in flight", async () => {
    using phoenix = await ray.actor<Counter>("client_test:Counter", { numCpus: 0, maxRestarts: -1 }).create([]);
    const error = await failure(phoenix.call("crash", []));
    expect([error.code, error.started, error.retryable]).toEqual(["CONNECTION_LOST", "maybe", true]);
    await vi.waitFor(async () => expect(await phoenix.call("add", [1])).toBe(1), { timeout: 30_000 });
  });

  // A listener that left would hold its slot in the actor until its own time is over.
  test("stops waiting for a caller that left", async () => {
    using waiter = await ray.actor<Waiter>("client_test:Waiter", { numCpus: 0 }).create([]);
    const left = new AbortController();
    const call = failure(waiter.call("wait", [600], { signal: left.signal }));
    await vi.waitFor(async () => expect(await waiter.call("count", [])).toBe(1), { timeout: 30_000 });
    left.abort();
    expect((await call).code).toBe("CANCELLED");
    await vi.waitFor(async () => expect(await waiter.call("count", [])).toBe(0), { timeout: 30_000 });
  });

  // Long polls in the same group as everything else would shut everybody out.
  test("keeps calls of one concurrency group out of the way of the others", async () => {
    const options = { numCpus: 0, maxConcurrency: 1, concurrencyGroups: { poll: 2 } };
    using waiter = await ray.actor<Waiter>("client_test:Waiter", options).create([]);
    const left = new AbortController();
    const polls = [1, 2].map(() =>
      failure(waiter.call("wait", [600], { concurrencyGroup: "poll", signal: left.signal })),
    );
    await vi.waitFor(async () => expect(await waiter.call("count", [])).toBe(2), { timeout: 30_000 });
    left.abort();
    expect((await Promise.all(polls)).map(({ code }) => code)).toEqual(["CANCELLED", "CANCELLED"]);
  });

  test("refuses a method it has not, before anything runs", async () => {
    using counter = await ray.actor("client_test:Counter", { numCpus: 0 }).create([]);
    const error = await failure(counter.call("subtract", [1]));
    expect([error.code, error.started]).toEqual(["INVALID_INPUT", "no"]);
    expect(error.message).toContain("subtract");
  });
});
