import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";
import type { Result } from "#core/result.ts";
import { ServiceError } from "#core/service-error.ts";
import { type Call, runInCall } from "#runtime/call.ts";
import { implement } from "#runtime/service.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { memoryTransport } from "#testing/memory-transport.ts";
import type { Policy } from "../policy/policy.ts";
import { createClient } from "./create-client.ts";
import type { OutgoingCall, Transport } from "./transport.ts";

const notes = defineContract("notes", {
  summary: "Notes.",
  state: "none",
  procedures: {
    get: procedure({
      summary: "One note.",
      method: "GET",
      path: "/notes/{id}",
      input: z.object({ id: z.coerce.number().int(), verbose: z.coerce.number().default(0) }),
      output: z.object({ id: z.int(), text: z.string() }),
      errors: { UNKNOWN_NOTE: z.object({ id: z.int() }) },
    }),
    add: procedure({
      summary: "Adds a note.",
      method: "POST",
      path: "/notes",
      input: z.object({ text: z.string().min(1) }),
      output: z.object({ id: z.int() }),
    }),
    follow: procedure({
      summary: "Notes as they come.",
      method: "GET",
      path: "/live",
      input: z.object({ count: z.coerce.number().int() }),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
  },
});

let left = 0;
const service = implement(notes, {
  async get({ id }, { fail }) {
    if (id === 404) throw fail("UNKNOWN_NOTE", { id });
    return { id, text: id === 500 ? (7 as unknown as string) : `note ${id}` };
  },
  async add() {
    return { id: 1 };
  },
  async *follow({ count }, { signal }) {
    try {
      for (let n = 0; n < count && !signal.aborted; n++) yield { n };
    } finally {
      left++;
    }
  },
});

const client = createClient(notes, { transport: memoryTransport([service]) });

/** A transport that keeps what it was given and never answers. */
function silentTransport(): Transport & { readonly calls: OutgoingCall[] } {
  const calls: OutgoingCall[] = [];
  return {
    calls,
    call(call) {
      calls.push(call);
      return new Promise((_resolve, reject) => call.signal.addEventListener("abort", () => reject(call.signal.reason)));
    },
    async *stream(call) {
      calls.push(call);
      yield await new Promise((_resolve, reject) =>
        call.signal.addEventListener("abort", () => reject(call.signal.reason)),
      );
    },
    isHealthy: async () => false,
    async close() {},
  };
}

function outerCall(overrides: Partial<Call> = {}): Call {
  return {
    contract: "outer",
    procedure: "p",
    caller: { subject: "someone", scopes: new Set(["read"]) },
    deadlineAtMs: 1_000,
    correlationId: "cor_outer",
    trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: false },
    priority: "background",
    signal: new AbortController().signal,
    ...overrides,
  };
}

describe("a unary call", () => {
  test("answers, with parameters as they travel", async () => {
    await expect(client.get({ id: 3 })).resolves.toEqual({ id: 3, text: "note 3" });
  });

  test("a wrong input is refused before anything is sent", async () => {
    const transport = silentTransport();
    const refused = createClient(notes, { transport }).add({ text: "" });
    await expect(refused).rejects.toMatchObject({
      code: "INVALID_INPUT",
      started: "no",
      data: { issues: [{ path: "text" }] },
    });
    expect(transport.calls).toHaveLength(0);
  });

  test("an answer against the contract is BAD_OUTPUT and names the field", async () => {
    const transport = { ...memoryTransport([service]), call: async () => ({ id: 1, text: 7 }) };
    await expect(createClient(notes, { transport }).get({ id: 1 })).rejects.toMatchObject({
      code: "BAD_OUTPUT",
      message: expect.stringContaining("text"),
    });
  });

  test("the service's own broken answer is BAD_OUTPUT too", async () => {
    await expect(client.get({ id: 500 })).rejects.toMatchObject({ code: "BAD_OUTPUT" });
  });

  test(".try returns declared errors as values and throws the others", async () => {
    await expect(client.get.try({ id: 1 })).resolves.toEqual({ ok: true, value: { id: 1, text: "note 1" } });
    await expect(client.get.try({ id: 404 })).resolves.toMatchObject({
      ok: false,
      error: { code: "UNKNOWN_NOTE", data: { id: 404 } },
    });
    await expect(client.get.try({ id: 0.5 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test(".try refuses a declared error whose data breaks its schema", async () => {
    const transport = {
      ...memoryTransport([service]),
      call: () => Promise.reject(new ServiceError("UNKNOWN_NOTE", "x", { data: { id: "seven" } })),
    };
    await expect(createClient(notes, { transport }).get.try({ id: 7 })).rejects.toMatchObject({ code: "BAD_OUTPUT" });
  });

  test("the policy sees the one call and may replace its answer", async () => {
    const seen: string[] = [];
    const guarded = createClient(notes, {
      transport: memoryTransport([service]),
      policy: (call, next) => {
        seen.push(call.name);
        return next(call);
      },
    });
    await guarded.add({ text: "x" });
    expect(seen).toEqual(["add"]);
  });
});

// A stream that no policy sees would pass by every breaker, budget and limit of its link.
describe("the policy of a stream", () => {
  const opening = (say: Promise<void>, refusals = 0): Transport => ({
    ...silentTransport(),
    async *stream(call) {
      if (refusals-- > 0) throw new ServiceError("OVERLOADED", "full");
      call.opened?.();
      await say;
      yield { n: 1 };
      throw new ServiceError("CONNECTION_LOST", "gone");
    },
  });

  test("ends once the stream is open, before its first event; what breaks later is its reader's", async () => {
    const outcomes: string[] = [];
    const { promise: said, resolve: say } = Promise.withResolvers<void>();
    const policy: Policy = async (call, next) => {
      const opened = await next(call);
      outcomes.push(`${call.name} is open`);
      return opened;
    };
    const events = createClient(notes, { transport: opening(said), policy }).follow({ count: 1 });
    const reader = events[Symbol.asyncIterator]();
    const first = reader.next();
    await new Promise(setImmediate);
    expect(outcomes).toEqual(["follow is open"]);
    say();
    await expect(first).resolves.toMatchObject({ value: { n: 1 } });
    await expect(reader.next()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(outcomes).toHaveLength(1);
  });

  test("may repeat an opening that was refused, or refuse the stream itself", async () => {
    const again: Policy = async (call, next) => {
      try {
        return await next(call);
      } catch {
        return next(call);
      }
    };
    const repeated = createClient(notes, { transport: opening(Promise.resolve(), 1), policy: again });
    await expect(repeated.follow({ count: 1 })[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: false });
    const policy: Policy = () => Promise.reject(new ServiceError("UNAVAILABLE", "the breaker is open"));
    const refused = createClient(notes, { transport: opening(Promise.resolve()), policy });
    const ended = refused.follow({ count: 1 })[Symbol.asyncIterator]().next();
    await expect(ended).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });
});

describe("what travels", () => {
  test("a first caller makes ids, and a key for what is not idempotent", async () => {
    const transport = silentTransport();
    const clock = createFakeClock();
    const ids = createCountingIds();
    const first = createClient(notes, { transport, clock, ids });
    const calls = [
      first.add({ text: "x" }),
      first.get({ id: 1 }),
      first.add({ text: "y" }, { idempotencyKey: "mine" }),
    ];
    const ended = Promise.allSettled(calls);
    await clock.advance(5_000);
    await ended;
    expect(
      transport.calls.map(({ idempotencyKey, correlationId, inner }) => ({ idempotencyKey, correlationId, inner })),
    ).toMatchInlineSnapshot(`
        [
          {
            "correlationId": "cor_1",
            "idempotencyKey": "key_1",
            "inner": false,
          },
          {
            "correlationId": "cor_2",
            "idempotencyKey": undefined,
            "inner": false,
          },
          {
            "correlationId": "cor_3",
            "idempotencyKey": "mine",
            "inner": false,
          },
        ]
      `);
  });

  test("a call inside another inherits deadline, correlation, trace and priority, and makes no key", async () => {
    const transport = silentTransport();
    const clock = createFakeClock();
    const inner = createClient(notes, { transport, clock });
    const ended = expect(
      runInCall(outerCall(), () => inner.add({ text: "x" }, { deadlineMs: 60_000 })),
    ).rejects.toMatchObject({
      code: "DEADLINE",
    });
    const [call] = transport.calls;
    expect(call).toMatchObject({
      deadlineAtMs: 1_000,
      correlationId: "cor_outer",
      priority: "background",
      inner: true,
      idempotencyKey: undefined,
      trace: { traceId: "a".repeat(32), sampled: false },
    });
    expect(call?.trace.spanId).not.toBe("b".repeat(16));
    await clock.advance(1_000);
    await ended;
    expect(clock.pending).toBe(0);
  });

  test("nothing is sent when the surrounding call's deadline has passed", async () => {
    const transport = silentTransport();
    const clock = createFakeClock();
    await clock.advance(2_000);
    const late = runInCall(outerCall(), () => createClient(notes, { transport, clock }).get({ id: 1 }));
    await expect(late).rejects.toMatchObject({ code: "EXPIRED", started: "no" });
    expect(transport.calls).toHaveLength(0);
  });

  test("the caller's signal and the surrounding call's both cancel", async () => {
    const clock = createFakeClock();
    for (const which of ["own", "outer"]) {
      const own = new AbortController();
      const outer = new AbortController();
      const transport = silentTransport();
      const pending = runInCall(outerCall({ signal: outer.signal }), () =>
        createClient(notes, { transport, clock }).get({ id: 1 }, { signal: own.signal }),
      );
      (which === "own" ? own : outer).abort();
      await expect(pending).rejects.toMatchObject({ code: "CANCELLED" });
      expect(clock.pending).toBe(0);
    }
  });
});

describe("a stream", () => {
  test("yields every event", async () => {
    const seen: number[] = [];
    for await (const { n } of client.follow({ count: 3 })) seen.push(n);
    expect(seen).toEqual([0, 1, 2]);
  });

  test("leaving the loop ends the handler", async () => {
    left = 0;
    for await (const { n } of client.follow({ count: 1_000_000 })) if (n === 2) break;
    await new Promise(setImmediate);
    expect(left).toBe(1);
  });

  test("that does not open ends at its deadline; after its first event it has none", async () => {
    const clock = createFakeClock();
    const silent = createClient(notes, { transport: silentTransport(), clock }).follow(
      { count: 1 },
      { deadlineMs: 10 },
    );
    const ended = expect(silent[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "DEADLINE" });
    await clock.advance(10);
    await ended;

    const open = createClient(notes, { transport: memoryTransport([service]), clock }).follow({ count: 2 });
    const events = open[Symbol.asyncIterator]();
    await events.next();
    expect(clock.pending).toBe(0);
    await events.return?.();
  });
});

test("types: wrong inputs do not compile, answers and declared errors are inferred", () => {
  const typesOnly = () => {
    // @ts-expect-error text is required
    void client.add({});
    // @ts-expect-error text is a string
    void client.add({ text: 1 });
    // @ts-expect-error there is no such procedure
    void client.remove({});
    // @ts-expect-error a stream has no .try
    void client.follow.try({ count: 1 });
  };
  expect(typesOnly).toBeTypeOf("function");
  expectTypeOf<typeof client.get>().returns.resolves.toEqualTypeOf<{ id: number; text: string }>();
  expectTypeOf<typeof client.get.try>().returns.resolves.toEqualTypeOf<
    Result<
      { id: number; text: string },
      { readonly code: "UNKNOWN_NOTE"; readonly message: string; readonly data: { id: number } }
    >
  >();
  expectTypeOf<typeof client.follow>().returns.toEqualTypeOf<AsyncIterable<{ n: number }>>();
});

test("a stream that is open but has nothing to say outlives its deadline: it is quiet, not late", async () => {
  const clock = createFakeClock();
  let say = () => {};
  const transport: Transport = {
    ...silentTransport(),
    async *stream(call) {
      call.opened?.();
      await new Promise<void>((resolve) => (say = resolve));
      yield { n: 1 };
    },
  };
  const events = createClient(notes, { transport, clock }).follow({ count: 1 })[Symbol.asyncIterator]();
  const first = events.next();
  await clock.advance(60_000);
  say();
  await expect(first).resolves.toMatchObject({ value: { n: 1 } });
});
