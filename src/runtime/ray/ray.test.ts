import { describe, expect, it, vi } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeRay, openingAnswer } from "#testing/fake-ray.ts";
import { ClientTask_RemoteExecType } from "./protocol/ray-client_pb.js";
import { decodePickle } from "./pickle/decode-pickle.ts";
import { encodePickle } from "./pickle/encode-pickle.ts";
import { PyFloat, PyGlobal, PyTuple, type PyValue } from "./pickle/values.ts";
import { createRay } from "./ray.ts";

const idOf = (n: number) => new Uint8Array(28).fill(n);

/** A cluster that gives ids to what is put and run, and answers every get with `data`. */
function openFixture(data = encodePickle("done")) {
  const clock = createFakeClock();
  let ids = 0;
  const fake = createFakeRay({
    onRequest(request) {
      const { type } = request;
      if (type.case === "put") return { case: "put", value: { id: idOf(++ids), valid: true } };
      if (type.case === "task") return { case: "taskTicket", value: { valid: true, returnIds: [idOf(++ids)] } };
      if (type.case === "release") return { case: "release", value: { ok: type.value.ids.map(() => true) } };
      if (type.case !== "get") return openingAnswer(request);
      return { case: "get", value: { valid: true, data, chunkId: 0, totalChunks: 1, totalSize: BigInt(data.length) } };
    },
  });
  const endpoint = { host: "ray", port: 10001, token: undefined, tls: undefined };
  const ray = createRay({ endpoint, namespace: "test", deadlineMs: 5_000 }, { clock, openWire: fake.openWire });
  const sent = (kind: string) =>
    fake.streams.flatMap(({ received }) => received.filter(({ type }) => type.case === kind));
  return { clock, fake, ray, sent };
}

const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    () => Promise.reject(new Error("It did not fail.")),
    (error: ServiceError) => error,
  );

describe("ray", () => {
  it("opens nothing before something needs a session", async () => {
    const { fake, ray } = openFixture();
    ray.task("m:f");
    ray.actor("m:C");
    await ray.store.ping();
    expect([ray.state, fake.streams.length]).toEqual(["idle", 0]);
    await ray.close();
  });

  it("sends a function once a session, and each call's arguments and options", async () => {
    const { ray, sent } = openFixture();
    const fit = ray.task<(n: number) => string>("models.train:fit", { numCpus: 2, maxRetries: 0 });
    expect(await fit.call([1], { kwargs: { fast: true } })).toBe("done");
    await fit.call([2]);
    expect(sent("put").length).toBe(1);
    const [first] = sent("task");
    if (first?.type.case !== "task") throw new Error("No task was sent.");
    expect(first.type.value.type).toBe(ClientTask_RemoteExecType.FUNCTION);
    expect(decodePickle(first.type.value.data)).toEqual(new PyTuple([[1], { fast: true }]));
    expect(decodePickle(first.type.value.options?.pickledOptions ?? new Uint8Array())).toEqual({
      name: "models.train:fit",
      num_cpus: 2,
      max_retries: 0,
    });
    await ray.close();
  });

  // Node fires a timer of more than 24 days at once: the call failed with DEADLINE before it began.
  it("takes Infinity for no deadline, and refuses what is no number", async () => {
    const { clock, ray } = openFixture();
    const timers = vi.spyOn(clock, "after");
    expect(await ray.task("m:f").call([], { deadlineMs: Infinity })).toBe("done");
    expect(Math.max(...timers.mock.calls.map(([delayMs]) => delayMs))).toBe(2 ** 31 - 1);
    const { code, started } = await failure(ray.task("m:f").call([], { deadlineMs: NaN }));
    expect([code, started]).toEqual(["INVALID_INPUT", "no"]);
    await ray.close();
  });

  it("does not let a caller that leaves take the code from the others who wait for it", async () => {
    const { ray } = openFixture();
    await ray.versions();
    const task = ray.task("m:f");
    const left = new AbortController();
    const first = failure(task.call([], { signal: left.signal }));
    const second = task.call([]);
    left.abort();
    expect((await first).code).toBe("CANCELLED");
    expect(await second).toBe("done");
    await ray.close();
  });

  // What docs/ray.md says is lost on the way back.
  it("sends a whole float back as an int, unless it is said, and inert data not at all", async () => {
    const { ray, sent } = openFixture(encodePickle([new PyFloat(1), new PyGlobal("enum", "Enum")]));
    const [one, inert] = (await ray.task("m:f").call([])) as [number, PyValue];
    const before = sent("put").length;
    await ray.put(one);
    await ray.put(new PyFloat(one));
    const bytes = sent("put")
      .slice(before)
      .map(({ type }) => type.case === "put" && Buffer.from(type.value.data));
    expect(bytes).toEqual([encodePickle(1), encodePickle(new PyFloat(1))].map((pickle) => Buffer.from(pickle)));
    const refused = await failure(ray.put(inert));
    expect([refused.code, refused.started]).toEqual(["INVALID_INPUT", "no"]);
    expect(refused.message).toContain("pass on its reference");
    await ray.close();
  });

  // A result that nobody releases stays on the head until the session ends.
  it("releases the result of a finished call", async () => {
    const { clock, ray, sent } = openFixture();
    await ray.task("m:f").call([]);
    await clock.advance(100);
    const [release] = sent("release");
    expect(release?.type.case === "release" && release.type.value.ids).toEqual([idOf(2)]);
    await ray.close();
  });

  it("frees what Ray made for a caller that had left", async () => {
    const clock = createFakeClock();
    const fake = createFakeRay();
    const endpoint = { host: "ray", port: 10001, token: undefined, tls: undefined };
    const ray = createRay({ endpoint, namespace: "test", deadlineMs: 1_000 }, { clock, openWire: fake.openWire });
    await ray.versions();
    const late = failure(ray.put(1));
    await clock.advance(1_000);
    expect((await late).code).toBe("DEADLINE");
    const [stream] = fake.streams;
    const received = (kind: string) => stream?.received.findLast(({ type }) => type.case === kind);
    stream?.answer(received("put")?.reqId ?? 0, { case: "put", value: { id: idOf(9), valid: true } });
    await clock.advance(100);
    expect(received("release")?.type.value).toMatchObject({ ids: [idOf(9)] });
    const closing = ray.close();
    await clock.advance(0);
    await closing;
  });

  // A task of an hour went on for nobody: whoever started it has an error and no reference to cancel it by.
  it("cancels a task whose caller left before Ray had said its id", async () => {
    const clock = createFakeClock();
    const fake = createFakeRay({
      onRequest: (request) =>
        request.type.case === "put"
          ? { case: "put", value: { id: idOf(1), valid: true } }
          : request.type.case === "release"
            ? { case: "release", value: {} }
            : openingAnswer(request),
    });
    const endpoint = { host: "ray", port: 10001, token: undefined, tls: undefined };
    await using ray = createRay({ endpoint, namespace: "test", deadlineMs: 1_000 }, { clock, openWire: fake.openWire });
    await ray.versions();
    const left = new AbortController();
    const called = failure(ray.task("m:f").call([]));
    const started = failure(ray.task("m:f").start([], { signal: left.signal }));
    await clock.advance(1);
    left.abort();
    await clock.advance(1_000);
    expect([(await called).code, (await started).code]).toEqual(["DEADLINE", "CANCELLED"]);

    const [stream] = fake.streams;
    const tasks = (stream?.received ?? []).filter(({ type }) => type.case === "task");
    for (const [n, { reqId }] of tasks.entries()) {
      stream?.answer(reqId, { case: "taskTicket", value: { valid: true, returnIds: [idOf(10 + n)] } });
    }
    await clock.advance(200);
    expect(fake.cancelled).toEqual([idOf(10), idOf(11)]);
    const released = (stream?.received ?? []).flatMap(({ type }) => (type.case === "release" ? type.value.ids : []));
    expect(released).toEqual([idOf(10), idOf(11)]);
  });

  // Ray ends the whole session when it gets a reference that it does not know.
  it("refuses what was released or belongs to a lost session before it is sent", async () => {
    const { clock, fake, ray } = openFixture();
    const released = await ray.put(1);
    released.release();
    const lost = await ray.put(2);
    const errors = [await failure(ray.task("m:f").call([released]))];
    fake.streams[0]?.lose();
    await clock.advance(0);
    errors.push(await failure(ray.task("m:f").call([lost])), await failure(ray.get(lost)));
    expect(errors.map(({ code, started }) => [code, started])).toEqual([
      ["INVALID_INPUT", "no"],
      ["NOT_FOUND", "no"],
      ["NOT_FOUND", "no"],
    ]);
    await ray.close();
  });

  it("looks a named actor up again in the next session, also one among the arguments", async () => {
    const { clock, fake, ray, sent } = openFixture();
    const actor = await ray.getActor("hits");
    fake.streams[0]?.lose();
    await clock.advance(0);
    expect(await ray.task("m:f").call([{ nested: [actor] }])).toBe("done");
    await actor.call("add", [1]);
    const kinds = sent("task").map(({ type }) => type.case === "task" && type.value.type);
    const { FUNCTION, METHOD, NAMED_ACTOR } = ClientTask_RemoteExecType;
    expect(kinds).toEqual([NAMED_ACTOR, NAMED_ACTOR, FUNCTION, METHOD]);
    await ray.close();
  });

  // Whoever tells failures apart by their code met an error of the pickle reader, which has none.
  it("fails with a ServiceError for what cannot be read or written, after the work or before it", async () => {
    const outOfBand = new Uint8Array([0x80, 5, 0x97, 0x2e]);
    const { ray, sent } = openFixture(outOfBand);
    const { code, started, message } = await failure(ray.task("m:f").call([]));
    expect([code, started]).toEqual(["BAD_OUTPUT", "yes"]);
    expect(message).toContain("m:f");
    const ref = await ray.put(1);
    expect((await failure(ray.get(ref))).code).toBe("BAD_OUTPUT");

    const notPython = (() => 1) as unknown as string;
    const before = sent("task").length;
    const errors = [
      await failure(ray.put(notPython)),
      await failure(ray.task("m:f").call([notPython])),
      await failure(ray.task("m:f", { runtimeEnv: { env: notPython } }).call([])),
    ];
    for (const error of errors) expect(error).toMatchObject({ code: "INVALID_INPUT", started: "no" });
    expect(sent("task").length).toBe(before);
    await ray.close();
  });

  it("says that Ray refused although its reason cannot be read", async () => {
    const fake = createFakeRay({
      onRequest: (request) =>
        request.type.case === "put"
          ? { case: "put", value: { valid: false, error: new Uint8Array([1]) } }
          : openingAnswer(request),
    });
    const endpoint = { host: "ray", port: 10001, token: undefined, tls: undefined };
    const deps = { clock: createFakeClock(), openWire: fake.openWire };
    await using ray = createRay({ endpoint, namespace: "test" }, deps);
    expect(await failure(ray.put(1))).toMatchObject({ code: "INVALID_INPUT", started: "no" });
  });

  it.each(["f", "m:", ":f", "m:f:g", "m;f", "m:f()", "a b:f"])("refuses the import name %j", (name) => {
    const { ray } = openFixture();
    expect(() => ray.task(name as `${string}:${string}`)).toThrow("package.module:name");
  });

  it("refuses to wait for more objects than there are, or for one twice", async () => {
    const { ray } = openFixture();
    const ref = await ray.put(1);
    expect((await failure(ray.wait([ref], { count: 2, timeoutMs: 1 }))).code).toBe("INVALID_INPUT");
    expect((await failure(ray.wait([ref, ref], { timeoutMs: 1 }))).code).toBe("INVALID_INPUT");
    expect((await failure(ray.wait([ref], { count: 0.5, timeoutMs: 1 }))).code).toBe("INVALID_INPUT");
    await ray.close();
  });
});
