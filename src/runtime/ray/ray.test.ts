import { describe, expect, it } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeRay, type FakeStream, openingAnswer } from "#testing/fake-ray.ts";
import { ClientTask_RemoteExecType } from "./protocol/ray-client_pb.js";
import { decodePickle } from "./pickle/decode-pickle.ts";
import { encodePickle } from "./pickle/encode-pickle.ts";
import { PyTuple } from "./pickle/values.ts";
import { createRay } from "./ray.ts";

const idOf = (n: number) => new Uint8Array(28).fill(n);

/** A cluster that gives ids to what is put and run, and answers every get with `value`. */
function openFixture(value: (stream: FakeStream) => unknown = () => "done") {
  const clock = createFakeClock();
  let ids = 0;
  const fake = createFakeRay({
    onRequest(request, stream) {
      const { type } = request;
      if (type.case === "put") return { case: "put", value: { id: idOf(++ids), valid: true } };
      if (type.case === "task") return { case: "taskTicket", value: { valid: true, returnIds: [idOf(++ids)] } };
      if (type.case === "release") return { case: "release", value: { ok: type.value.ids.map(() => true) } };
      if (type.case !== "get") return openingAnswer(request);
      const answer = value(stream);
      if (answer === undefined) return undefined;
      const data = encodePickle(answer as string);
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
    const put = stream?.received.at(-1);
    stream?.answer(put?.reqId ?? 0, { case: "put", value: { id: idOf(9), valid: true } });
    await clock.advance(100);
    expect(stream?.received.at(-1)?.type).toMatchObject({ case: "release", value: { ids: [idOf(9)] } });
    const closing = ray.close();
    await clock.advance(0);
    await closing;
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

  it.each(["f", "m:", ":f", "m:f:g", "m;f", "m:f()", "a b:f"])("refuses the import name %j", (name) => {
    const { ray } = openFixture();
    expect(() => ray.task(name as `${string}:${string}`)).toThrow("package.module:name");
  });

  it("refuses to wait for more objects than there are, or for one twice", async () => {
    const { ray } = openFixture();
    const ref = await ray.put(1);
    expect((await failure(ray.wait([ref], { count: 2, timeoutMs: 1 }))).code).toBe("INVALID_INPUT");
    expect((await failure(ray.wait([ref, ref], { timeoutMs: 1 }))).code).toBe("INVALID_INPUT");
    await ray.close();
  });
});
