import { Code, ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeRay, type FakeRayOptions, openingAnswer } from "#testing/fake-ray.ts";
import { SILENCE_MS } from "./datapath.ts";
import { createDriverCalls } from "./driver-calls.ts";
import { createSession } from "./session.ts";

function openFixture(options: FakeRayOptions = {}) {
  const clock = createFakeClock();
  const ray = createFakeRay(options);
  const calls = createDriverCalls({ clock, openWire: ray.openWire }, "secret");
  let clients = 0;
  const config = { namespace: "test", jobConfig: undefined, openDeadlineMs: 30_000 };
  const session = createSession(config, { calls, newClientId: () => `client-${++clients}` });
  const time = (deadlineMs = 10_000, signal?: AbortSignal) => ({
    deadlineAtMs: clock.monotonic() + deadlineMs,
    signal,
  });
  return { clock, ray, session, time };
}

const failure = (promise: Promise<unknown>): Promise<ServiceError> =>
  promise.then(
    (value) => Promise.reject(new Error(`It gave ${JSON.stringify(value)}.`)),
    (error: ServiceError) => error,
  );

describe("opening", () => {
  it("sends the token and the session's id with everything, and init first", async () => {
    const { ray, session, time } = openFixture();
    await session.use(time());
    const [stream] = ray.streams;
    expect(stream?.headers.get("authorization")).toBe("Bearer secret");
    expect(stream?.headers.get("reconnecting")).toBe("False");
    const [init] = stream?.received ?? [];
    expect(init?.reqId).toBe(1);
    expect(init?.type.value).toMatchObject({
      rayInitKwargs: '{"_skip_env_hook":true,"namespace":"test"}',
      reconnectGracePeriod: 0,
    });
  });

  // A server process costs the head 100 MB; two callers at once must not make two.
  it("gives one session to all who ask while it opens", async () => {
    const { ray, session, time } = openFixture();
    const [a, b] = await Promise.all([session.use(time()), session.use(time())]);
    expect(a).toBe(b);
    expect(await session.use(time())).toBe(a);
    expect(ray.streams.length).toBe(1);
  });

  // Ray's proxy crashes when it forks, and remembers the id of the session that did not come up.
  it("tries again under a new id when Ray could not start the process", async () => {
    let tries = 0;
    const { clock, ray, session, time } = openFixture({
      onRequest: (request) =>
        request.type.case === "init" && ++tries < 3
          ? { case: "init", value: { ok: false, msg: "RuntimeError: Starting Ray client server failed." } }
          : openingAnswer(request),
    });
    const opening = session.use(time());
    await clock.advance(5_000);
    await opening;
    expect(new Set(ray.streams.map(({ clientId }) => clientId)).size).toBe(3);
  });

  it("gives up at once when the runtime environment is bad, and says why", async () => {
    const msg =
      "Traceback…\nRuntimeError: Failed to create runtime_env for Ray client server, it is caused by:\nno zip";
    const { ray, session, time } = openFixture({
      onRequest: ({ type }) => (type.case === "init" ? { case: "init", value: { ok: false, msg } } : undefined),
    });
    const error = await failure(session.use(time()));
    expect([error.code, error.started]).toEqual(["INVALID_INPUT", "no"]);
    expect(error.message).toContain("no zip");
    expect(ray.streams.length).toBe(1);
  });

  it("gives up at once when the token is refused, without a stream", async () => {
    const refused = new ConnectError("Invalid or missing authentication token", Code.Unauthenticated);
    const { ray, session, time } = openFixture({ driverError: () => refused });
    const error = await failure(session.use(time()));
    expect([error.code, error.started]).toEqual(["UNAUTHENTICATED", "no"]);
    expect(ray.streams.length).toBe(0);
  });

  // What GCS answers, whose port is the one that `ray start` prints. It said "Ray's connection broke at reaching Ray's head: .".
  it("gives up at once where no client server listens, and says which port it is", async () => {
    const { ray, session, time } = openFixture({ driverError: () => new ConnectError("", Code.Unimplemented) });
    const error = await failure(session.use(time()));
    expect([error.code, error.started]).toEqual(["UNSUPPORTED", "no"]);
    expect(error.message).toContain("port 10001");
    expect(ray.streams.length).toBe(0);
  });

  it("is over for a caller whose own time is over, and goes on for the others", async () => {
    const { clock, ray, session, time } = openFixture({ onRequest: () => undefined });
    const hurried = failure(session.use(time(100)));
    const patient = session.use(time(20_000));
    await clock.advance(100);
    const error = await hurried;
    expect([error.code, error.started]).toEqual(["DEADLINE", "no"]);
    const [stream] = ray.streams;
    stream?.answer(1, { case: "init", value: { ok: true } });
    await clock.advance(0);
    stream?.answer(2, { case: "connectionInfo", value: {} });
    await clock.advance(0);
    expect((await patient).datapath.clientId).toBe(stream?.clientId);
  });

  it("ends at its deadline when Ray never answers", async () => {
    const { clock, session, time } = openFixture({ onRequest: () => undefined });
    const error = failure(session.use(time(60_000)));
    await clock.advance(30_000);
    expect((await error).code).toBe("DEADLINE");
    expect(clock.pending).toBe(0);
  });
});

describe("loss", () => {
  it("fails what was sent as perhaps run, what was not as not started, and opens again", async () => {
    const { clock, ray, session, time } = openFixture();
    const first = await session.use(time());
    const sent = failure(first.datapath.fetch("a", new Uint8Array([1]), time()));
    await clock.advance(0);
    const unsent = failure(first.datapath.fetch("b", new Uint8Array([2]), time()));
    ray.streams[0]?.lose();
    await clock.advance(0);
    expect((await sent).code).toBe("CONNECTION_LOST");
    expect((await sent).started).toBe("maybe");
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await unsent).code);
    expect(session.state.kind).toBe("lost");
    const late = await failure(first.datapath.fetch("c", new Uint8Array([3]), time()));
    expect([late.code, late.started]).toEqual(["UNAVAILABLE", "no"]);
    const second = await session.use(time());
    expect(second).not.toBe(first);
    expect(session.state.kind).toBe("open");
  });

  // Every call of it ended at its deadline, for ever: Ray's proxy goes on answering pings for a process that stands still.
  it("is noticed of a process that is silent, which may be slow with one thing but answers small questions", async () => {
    let isSilent = false;
    const { clock, session, time } = openFixture({
      onRequest: (request) => (isSilent ? undefined : openingAnswer(request)),
    });
    const first = await session.use(time());
    const slow = failure(first.datapath.fetch("a", new Uint8Array([1]), time(1_000)));
    await clock.advance(1_000);
    expect((await slow).code).toBe("DEADLINE");
    await clock.advance(60_000);
    expect(session.state.kind).toBe("open");

    isSilent = true;
    const inFlight = failure(first.datapath.fetch("b", new Uint8Array([2]), time(60_000)));
    const hurried = failure(first.datapath.fetch("c", new Uint8Array([3]), time(1_000)));
    await clock.advance(1_000);
    expect((await hurried).code).toBe("DEADLINE");
    await clock.advance(SILENCE_MS);
    const error = await inFlight;
    expect([error.code, error.started]).toEqual(["CONNECTION_LOST", "maybe"]);
    expect(error.message).toContain("10 s");
    expect(session.state.kind).toBe("lost");
    isSilent = false;
    expect(await session.use(time())).not.toBe(first);
    await session.close();
    expect(clock.pending).toBe(0);
  });
});

describe("closing", () => {
  it("says good-bye, ends the stream, and refuses what comes after", async () => {
    const { ray, session, time } = openFixture();
    await session.use(time());
    await session.close();
    await session.close();
    expect(ray.streams[0]?.received.at(-1)?.type.case).toBe("connectionCleanup");
    const error = await failure(session.use(time()));
    expect([error.code, error.started]).toEqual(["CANCELLED", "no"]);
  });

  it("ends an opening, and everybody who waits for it", async () => {
    const { ray, session, time } = openFixture({ onRequest: () => undefined });
    const waiting = failure(session.use(time()));
    await Promise.resolve();
    await session.close();
    expect((await waiting).code).toBe("CANCELLED");
    expect(session.state.kind).toBe("closed");
    expect(ray.streams.every(({ ended }) => ended)).toBe(true);
  });

  it("does not wait for a Ray that says nothing more", async () => {
    const { clock, session, time } = openFixture({
      onRequest: (request) => (request.type.case === "connectionCleanup" ? undefined : openingAnswer(request)),
    });
    await session.use(time());
    const closing = session.close();
    await clock.advance(2_000);
    await closing;
    expect(clock.pending).toBe(0);
  });
});

/** What may happen to a session, in any order. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("fetch" as const), deadlineMs: fc.integer({ min: 1, max: 400 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("answer" as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("answerUnknown" as const), reqId: fc.integer({ min: 1, max: 99 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("abort" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "lose" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "close" as const }) },
);

describe("whatever happens", () => {
  // The failures this pins: a call that hangs for ever, one that gets another's answer, and one that is reported as not
  // started although Ray had it, which a caller would then run twice.
  it("every request settles once, with its own answer or an error that is true; no id is used twice", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { clock, ray, session, time } = openFixture();
        const requests: { abort: AbortController; settled: number; error?: ServiceError; value?: number }[] = [];

        const fetch = (deadlineMs: number) => {
          const id = requests.length;
          const abort = new AbortController();
          const request: (typeof requests)[number] = { abort, settled: 0 };
          requests.push(request);
          const allowed = time(deadlineMs, abort.signal);
          session
            .use(allowed)
            .then(({ datapath }) => datapath.fetch("fetching", new Uint8Array([id]), allowed))
            .then(
              ({ data }) => {
                request.settled++;
                request.value = data[0] ?? -1;
              },
              (error: ServiceError) => {
                request.settled++;
                request.error = error;
              },
            );
        };
        const answer = (which: number) => {
          const stream = ray.streams.at(-1);
          const gets = (stream?.received ?? []).filter(({ type }) => type.case === "get");
          const get = gets[which % Math.max(1, gets.length)];
          if (get?.type.case !== "get") return;
          const [data = new Uint8Array()] = get.type.value.ids;
          const value = { valid: true, data, chunkId: 0, totalChunks: 1, totalSize: BigInt(data.length) };
          stream?.answer(get.reqId, { case: "get", value });
        };

        for (const next of steps) {
          if (next.kind === "fetch") fetch(next.deadlineMs);
          if (next.kind === "answer") answer(next.which);
          if (next.kind === "answerUnknown") ray.streams.at(-1)?.answer(next.reqId + 1000, { case: "get", value: {} });
          if (next.kind === "abort") requests[next.which % Math.max(1, requests.length)]?.abort.abort();
          if (next.kind === "lose") ray.streams.at(-1)?.lose();
          if (next.kind === "close") await session.close();
          await clock.advance(next.kind === "wait" ? next.ms : 0);
        }
        await clock.advance(60_000);

        const reached = new Set(
          ray.streams.flatMap(({ received }) =>
            received.flatMap(({ type }) => (type.case === "get" ? type.value.ids.map(([id]) => id) : [])),
          ),
        );
        for (const [id, { settled, error, value }] of requests.entries()) {
          expect(settled).toBe(1);
          if (error === undefined) expect(value).toBe(id);
          else if (error.started === "no") expect(reached.has(id)).toBe(false);
        }
        for (const { received } of ray.streams) {
          const ids = received.map(({ reqId }) => reqId);
          expect(new Set(ids).size).toBe(ids.length);
        }
        await session.close();
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
