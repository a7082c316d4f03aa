import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineContract, procedure, type Scope } from "#core/contract.ts";
import { sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { shardOf } from "#core/shard.ts";
import { type Caller, currentCall } from "#runtime/call.ts";
import { type HandlerContext, implement, type Service } from "#runtime/service.ts";
import { createFakeClock, type FakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { ABORT_GRACE_MS, Dispatcher, type DispatcherLimits, type ShardOwnership } from "./dispatcher.ts";
import type { IdempotencyStore } from "./idempotency.ts";
import type { Incoming } from "./incoming.ts";
import type { ServiceLoad } from "./load.ts";
import { createOutbound } from "./outbound.ts";
import type { Plan } from "./plan.ts";

const shop = defineContract("shop", {
  summary: "A shop.",
  state: "none",
  procedures: {
    price: procedure({
      summary: "A price.",
      method: "GET",
      path: "/items/{item}/price",
      input: z.object({ item: z.string().min(1), pieces: z.coerce.number().int().min(1).default(1) }),
      output: z.object({ total: z.number() }),
      errors: { UNKNOWN_ITEM: z.object({ item: z.string() }) },
      deadlineMs: 100,
    }),
    order: procedure({
      summary: "Orders.",
      method: "POST",
      path: "/orders",
      input: z.object({ item: z.string() }),
      output: z.object({ id: z.string() }),
    }),
    close: procedure({
      summary: "Closes.",
      method: "POST",
      path: "/close",
      scope: "admin",
      input: z.object({}),
      output: z.object({}),
    }),
    offers: procedure({
      summary: "Offers.",
      method: "GET",
      path: "/offers",
      input: z.object({}),
      output: z.object({ n: z.int() }),
      stream: true,
    }),
  },
});

type ShopHandlers = Parameters<typeof implement<typeof shop>>[1];
const never = () => new Promise<never>(() => {});

function shopService(handlers: Partial<ShopHandlers> = {}): Service {
  return implement(shop, {
    price: async ({ pieces }) => ({ total: pieces * 2 }),
    order: async () => ({ id: "o1" }),
    close: async () => ({}),
    async *offers() {
      yield { n: 1 };
    },
    ...handlers,
  }) as unknown as Service;
}

interface Bench {
  readonly clock: FakeClock;
  readonly dispatcher: Dispatcher;
  readonly ended: string[];
  readonly log: ReturnType<typeof createMemoryLogger>;
  plan(name: string): Plan;
  incoming(input: unknown, overrides?: Partial<Incoming>): Incoming;
}

const person: Caller = { subject: "ada", scopes: new Set<Scope>(["read", "operate"]) };

function setUp(
  service: Service,
  limits: Partial<DispatcherLimits> = {},
  more: { ownership?: ShardOwnership; keys?: IdempotencyStore } = {},
): Bench {
  const clock = createFakeClock();
  const ended: string[] = [];
  const log = createMemoryLogger();
  const dispatcher = new Dispatcher(
    [service],
    { maxConcurrency: 2, maxQueue: 2, maxDeadlineMs: 10_000, ...limits },
    {
      clock,
      log,
      metrics: { ended: (_service, name, code) => void ended.push(`${name} ${code}`) },
      ownership: more.ownership ?? { epochOf: () => undefined, failure: () => undefined, refused() {} },
      idempotency: () => more.keys,
      self: { subject: "service:test", scopes: new Set(["read", "operate", "admin"]) },
    },
  );
  return {
    clock,
    dispatcher,
    ended,
    log,
    plan(name) {
      const plan = dispatcher.plans.find((candidate) => candidate.procedureName === name);
      if (plan === undefined) throw new Error(name);
      return plan;
    },
    incoming: (input, overrides) => ({
      input,
      caller: person,
      deadlineAtMs: clock.monotonic() + 100,
      correlationId: "c1",
      trace: { traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: true },
      priority: "normal",
      idempotencyKey: undefined,
      nested: false,
      ...overrides,
    }),
  };
}

async function failureOf(work: Promise<unknown>): Promise<ServiceError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("it succeeded");
}

describe("a call", () => {
  test("gets coerced and defaulted input, and its ids where logs look for them", async () => {
    let seen: unknown;
    const { dispatcher, plan, incoming, ended } = setUp(
      shopService({
        async price(input) {
          seen = { input, correlationId: currentCall()?.correlationId };
          return { total: 1 };
        },
      }),
    );
    await dispatcher.call(plan("price"), incoming({ item: "tea", pieces: "3" }));
    await dispatcher.call(plan("price"), incoming({ item: "tea" }));
    expect(seen).toEqual({ input: { item: "tea", pieces: 1 }, correlationId: "c1" });
    expect(ended).toEqual(["price OK", "price OK"]);
  });

  test("with wrong input names the fields and does not reach the handler", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService({ price: () => Promise.reject(new Error("reached")) }));
    const error = await failureOf(dispatcher.call(plan("price"), incoming({ item: "", pieces: "many" })));
    expect(error).toMatchObject({ code: "INVALID_INPUT", started: "no" });
    expect((error.data as { issues: { path: string }[] }).issues.map(({ path }) => path)).toEqual(["item", "pieces"]);
  });

  test("without the scope is refused, also when the token is an operator's and the procedure an admin's", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService());
    expect(await failureOf(dispatcher.call(plan("close"), incoming({})))).toMatchObject({ code: "FORBIDDEN" });
  });

  test("whose answer breaks the contract is BAD_OUTPUT, and the log names the field", async () => {
    const { dispatcher, plan, incoming, log } = setUp(
      shopService({ price: async () => ({ total: "two" as unknown as number }) }),
    );
    const error = await failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
    expect(error).toMatchObject({ code: "BAD_OUTPUT", data: { issues: [{ path: "total" }] } });
    expect(log.lines).toHaveLength(1);
  });

  test("that fails as declared keeps its data; undeclared codes and wrong data do not get out", async () => {
    const throwing = async (thrown: unknown) => {
      const { dispatcher, plan, incoming } = setUp(shopService({ price: () => Promise.reject(thrown) }));
      return failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
    };
    expect(await throwing(new ServiceError("UNKNOWN_ITEM", "no", { data: { item: "tea" } }))).toMatchObject({
      code: "UNKNOWN_ITEM",
      status: 422,
    });
    expect((await throwing(new ServiceError("UNKNOWN_ITEM", "no", { data: {} }))).code).toBe("BAD_OUTPUT");
    expect((await throwing(new ServiceError("SOME_INNER_CODE", "no"))).code).toBe("INTERNAL");
    const defect = await throwing(new TypeError("x is undefined"));
    expect(defect).toMatchObject({ code: "INTERNAL", started: "maybe" });
    expect(defect.cause).toBeInstanceOf(TypeError);
  });

  test("whose inner call was refused has itself begun: a repeat could do its effect twice", async () => {
    const refused = () => Promise.reject(new ServiceError("OVERLOADED", "inner", { retryAfterMs: 7 }));
    const { dispatcher, plan, incoming } = setUp(shopService({ order: refused, price: refused }));
    expect(await failureOf(dispatcher.call(plan("order"), incoming({ item: "tea" })))).toMatchObject({
      code: "OVERLOADED",
      started: "maybe",
      retryAfterMs: 7,
    });
    expect((await failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })))).started).toBe("no");
  });
});

describe("a deadline", () => {
  test("that has passed on arrival is refused as not started", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService({ price: () => never() }));
    const late = dispatcher.call(plan("price"), incoming({ item: "tea" }, { deadlineAtMs: 0 }));
    expect(await failureOf(late)).toMatchObject({ code: "EXPIRED", started: "no" });
  });

  test("is kept even by a handler that ignores its signal; its place stays taken until it really ends", async () => {
    let finish: (answer: { total: number }) => void = () => {};
    let signal: AbortSignal | undefined;
    const { dispatcher, plan, incoming, clock } = setUp(
      shopService({
        price: (_input, context) => {
          signal = context.signal;
          return new Promise((resolve) => (finish = resolve));
        },
      }),
    );
    const failure = failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
    await clock.advance(100);
    expect(await failure).toMatchObject({ code: "DEADLINE", started: "maybe" });
    expect(signal?.aborted).toBe(true);
    expect(dispatcher.inFlight).toBe(1);
    finish({ total: 1 });
    await turn();
    expect(dispatcher.inFlight).toBe(0);
    expect(clock.pending).toBe(0);
  });

  // One timer serves all calls: one that was set for a call that has ended must not swallow the deadlines after it.
  test("is each call's own, whatever the others do", async () => {
    const finish = new Map<string, (answer: { total: number }) => void>();
    const { dispatcher, plan, incoming, clock } = setUp(
      shopService({ price: ({ item }) => new Promise((resolve) => finish.set(item, resolve)) }),
      { maxConcurrency: 10 },
    );
    const ended: string[] = [];
    const call = (item: string, deadlineAtMs: number) =>
      dispatcher.call(plan("price"), incoming({ item }, { deadlineAtMs })).then(
        () => ended.push(`${item} answered at ${clock.monotonic()}`),
        (error: ServiceError) => ended.push(`${item} ${error.code} at ${clock.monotonic()}`),
      );
    void call("long", 80);
    void call("short", 30);
    void call("first", 10);
    await turn();
    finish.get("first")?.({ total: 1 });
    await clock.advance(20);
    void call("late", 45);
    await clock.advance(100);
    expect(ended).toEqual([
      "first answered at 0",
      "short DEADLINE at 30",
      "late DEADLINE at 45",
      "long DEADLINE at 80",
    ]);
  });

  test("comes from the caller, else from the contract, and is capped by the host", async () => {
    const { dispatcher, plan } = setUp(shopService(), { maxDeadlineMs: 5_000 });
    expect(dispatcher.deadlineAt(plan("price"), undefined)).toBe(100);
    expect(dispatcher.deadlineAt(plan("price"), 700)).toBe(700);
    expect(dispatcher.deadlineAt(plan("price"), 60_000)).toBe(5_000);
  });

  test("of a cancelled call is not what its caller is told", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService({ price: () => never() }));
    const failure = failureOf(
      dispatcher.call(plan("price"), incoming({ item: "tea" }), (context) => {
        queueMicrotask(() => context.abort(new ServiceError("CANCELLED", "gone")));
      }),
    );
    expect((await failure).code).toBe("CANCELLED");
  });
});

describe("admission", () => {
  function blocked(limits?: Partial<DispatcherLimits>) {
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const bench = setUp(
      shopService({
        price: ({ item }) => {
          order.push(item);
          return new Promise((resolve) => ends.push(() => resolve({ total: 1 })));
        },
      }),
      limits,
    );
    const call = (item: string, overrides?: Partial<Incoming>) =>
      bench.dispatcher.call(bench.plan("price"), bench.incoming({ item }, overrides)).then(
        () => "ok",
        (error: ServiceError) => error.code,
      );
    return { ...bench, order, ends, call };
  }

  test("works on as many as may, lets as many wait, and sends the rest away with a time to come back", async () => {
    const { dispatcher, plan, incoming, call, order } = blocked();
    void call("a");
    void call("b");
    void call("c");
    void call("d");
    const error = await failureOf(dispatcher.call(plan("price"), incoming({ item: "e" })));
    expect(error).toMatchObject({ code: "OVERLOADED", started: "no" });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(order).toEqual(["a", "b"]);
    expect(dispatcher.load()).toMatchObject({ inFlight: 2, limit: 2, queued: 2 });
  });

  test("takes critical before normal before background, and makes room for them by class", async () => {
    const { call, order, ends } = blocked({ maxConcurrency: 1 });
    void call("running");
    const background = call("background", { priority: "background" });
    void call("normal");
    void call("critical", { priority: "critical" });
    expect(await background).toBe("OVERLOADED");
    for (let i = 0; i < 3; i++) {
      await turn();
      ends.shift()?.();
    }
    await turn();
    expect(order).toEqual(["running", "critical", "normal"]);
  });

  test("never works on what expired while it waited", async () => {
    const { call, order, ends, clock } = blocked({ maxConcurrency: 1 });
    void call("running", { deadlineAtMs: 1_000 });
    const waiting = call("waiting");
    await clock.advance(100);
    expect(await waiting).toBe("EXPIRED");
    ends[0]?.();
    await turn();
    expect(order).toEqual(["running"]);
  });

  test("lets a call's own inner calls in, so that limits cannot deadlock", async () => {
    let dispatcher: Dispatcher | undefined;
    const service = shopService({
      order: async (_input, context: HandlerContext) => {
        await dispatcher?.dispatch({
          contract: shop,
          name: "price",
          procedure: shop.procedures.price,
          input: { item: "tea" },
          deadlineAtMs: 100,
          correlationId: context.correlationId,
          trace: context.trace,
          priority: "normal",
          idempotencyKey: undefined,
          inner: true,
          signal: new AbortController().signal,
        });
        return { id: "o1" };
      },
    });
    const bench = setUp(service, { maxConcurrency: 1, maxQueue: 0 });
    dispatcher = bench.dispatcher;
    await expect(dispatcher.call(bench.plan("order"), bench.incoming({ item: "tea" }))).resolves.toEqual({ id: "o1" });
    expect(dispatcher.inFlight).toBe(0);
  });
});

describe("draining", () => {
  test("refuses new calls, waits for those in flight, and can end them", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService({ price: (_i, { signal }) => aborted(signal) }));
    const inFlight = failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
    await turn();
    let idle = false;
    const drained = dispatcher.drain().then(() => (idle = true));
    expect(await failureOf(dispatcher.call(plan("order"), incoming({ item: "tea" })))).toMatchObject({
      code: "DRAINING",
      started: "no",
    });
    await turn();
    expect(idle).toBe(false);
    dispatcher.abortAll(new ServiceError("CANCELLED", "stopped"));
    expect((await inFlight).code).toBe("CANCELLED");
    await drained;
  });

  // Each deploy was held up by it for as long as a replica may drain.
  test("does not wait for a handler that goes on after its call was answered", async () => {
    const { clock, dispatcher, plan, incoming } = setUp(shopService({ price: () => never() }));
    const late = failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
    await turn();
    let idle = false;
    const drained = dispatcher.drain().then(() => (idle = true));
    await clock.advance(99);
    expect(idle).toBe(false);
    await clock.advance(1);
    expect((await late).code).toBe("DEADLINE");
    // The handler sees its signal first.
    expect(idle).toBe(false);
    await clock.advance(ABORT_GRACE_MS);
    await drained;
  });

  test.each(["before", "after"])(
    "ends a read that only stands by, begun %s it: another replica can too",
    async (when) => {
      let standNow = () => {};
      const begun = new Promise<void>((resolve) => (standNow = resolve));
      const service = shopService({
        price: async (_input, { standBy }) => {
          await begun;
          await standBy(never());
          return { total: 1 };
        },
      });
      const { dispatcher, plan, incoming } = setUp(service);
      const waiting = failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })));
      if (when === "before") standNow();
      await turn();
      const drained = dispatcher.drain();
      standNow();
      expect((await waiting).code).toBe("DRAINING");
      dispatcher.abortAll(new ServiceError("CANCELLED", "stopped"));
      void drained;
    },
  );

  test("ends open streams at once: they would never end by themselves", async () => {
    const { dispatcher, plan, incoming } = setUp(
      shopService({
        offers: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
      }),
    );
    const events = await dispatcher.open(plan("offers"), incoming({}));
    const next = failureOf(events.next());
    await turn();
    await dispatcher.drain();
    expect((await next).code).toBe("DRAINING");
  });
});

describe("readiness and ownership", () => {
  const ledger = defineContract("ledger", {
    summary: "A ledger.",
    state: "sharded",
    procedures: {
      put: procedure({
        summary: "Puts.",
        method: "PUT",
        path: "/{account}",
        shardBy: "account",
        input: z.object({ account: z.string() }),
        output: z.object({ shard: z.int(), epoch: z.int() }),
      }),
      any: procedure({
        summary: "Any replica.",
        method: "GET",
        path: "/",
        input: z.object({}),
        output: z.object({ epoch: z.int() }),
      }),
    },
  });

  test("a service that is not ready says why", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService());
    dispatcher.setNotReady("shop", "it is loading its model");
    expect(await failureOf(dispatcher.call(plan("price"), incoming({ item: "tea" })))).toMatchObject({
      code: "NOT_READY",
      message: expect.stringContaining("loading its model"),
    });
    dispatcher.setNotReady("shop", undefined);
    await dispatcher.call(plan("price"), incoming({ item: "tea" }));
  });

  // Left out in silence, a misspelt field changes something else than was asked for.
  test("a field the contract does not name is refused, but left out of what a newer service of ours sends", async () => {
    const { dispatcher, plan, incoming } = setUp(shopService());
    const given = { item: "tea", colour: "green" };
    const error = await failureOf(dispatcher.call(plan("price"), incoming(given)));
    expect(error).toMatchObject({ code: "INVALID_INPUT", started: "no", message: expect.stringContaining('"colour"') });
    // Of a person's own services, too, two versions run side by side while one is deployed.
    for (const subject of ["service:core", "app:cart"]) {
      const caller = { subject, scopes: new Set<Scope>(["read"]) };
      await dispatcher.call(plan("price"), incoming(given, { caller }));
    }
  });

  test("only the owner works, under its epoch; a refused write gives the shard up", async () => {
    let stale = false;
    const service = implement(ledger, {
      async put(_input, { shard, epoch }) {
        if (stale) throw new ServiceError("NOT_OWNER", "the store refused epoch 7");
        return { shard, epoch };
      },
      any: async (_input, { epoch }) => ({ epoch }),
    }) as unknown as Service;
    const mine = shardOf("mine");
    let failure: string | undefined;
    const refused: unknown[] = [];
    const ownership: ShardOwnership = {
      epochOf: (_service, shard) => (shard === mine ? 7 : undefined),
      failure: () => failure,
      refused: (...what) => void refused.push(what),
    };
    const { dispatcher, plan, incoming } = setUp(service, {}, { ownership });
    expect(await dispatcher.call(plan("put"), incoming({ account: "mine" }))).toEqual({ shard: mine, epoch: 7 });
    expect(await failureOf(dispatcher.call(plan("put"), incoming({ account: "theirs" })))).toMatchObject({
      code: "NOT_OWNER",
      started: "no",
    });
    failure = "the database was removed";
    expect((await failureOf(dispatcher.call(plan("put"), incoming({ account: "theirs" })))).message).toMatch(
      /cannot take over shard \d+ of ledger: the database was removed/,
    );
    expect(await dispatcher.call(plan("any"), incoming({}))).toEqual({ epoch: 0 });
    stale = true;
    await failureOf(dispatcher.call(plan("put"), incoming({ account: "mine" })));
    expect(refused).toEqual([["ledger", mine, 7]]);
  });
});

describe("idempotency keys", () => {
  function fakeKeys() {
    const seen: string[] = [];
    const answers = new Map<string, unknown>();
    const keys: IdempotencyStore = {
      async reserve({ key }) {
        if (answers.has(key)) return { state: "done", answer: answers.get(key) };
        return {
          state: "new",
          run: {
            storeAnswer: () => ({ sql: "", parameters: [] }) as never,
            async complete(answer) {
              seen.push("complete");
              answers.set(key, answer);
            },
            async fail(error) {
              seen.push(`fail ${error.code}`);
            },
          },
        };
      },
    };
    return { keys, seen };
  }

  test("a repeat gets the first answer and the handler runs once; without a key it runs each time", async () => {
    const { keys } = fakeKeys();
    let runs = 0;
    const service = shopService({ order: async () => ({ id: `o${++runs}` }) });
    const { dispatcher, plan, incoming } = setUp(service, {}, { keys });
    const order = (idempotencyKey?: string) =>
      dispatcher.call(plan("order"), incoming({ item: "tea" }, { idempotencyKey }));
    expect(await order("k")).toEqual({ id: "o1" });
    expect(await order("k")).toEqual({ id: "o1" });
    expect(await order()).toEqual({ id: "o2" });
  });

  test("work that outlives its deadline still stores its answer under its key", async () => {
    const { keys, seen } = fakeKeys();
    let finish = () => {};
    const service = shopService({
      order: () => new Promise((resolve) => (finish = () => resolve({ id: "o1" }))),
    });
    const { dispatcher, plan, incoming, clock } = setUp(service, {}, { keys });
    const first = failureOf(dispatcher.call(plan("order"), incoming({ item: "tea" }, { idempotencyKey: "k" })));
    await clock.advance(100);
    expect((await first).code).toBe("DEADLINE");
    finish();
    await turn();
    expect(seen).toEqual(["complete"]);
    expect(await dispatcher.call(plan("order"), incoming({ item: "tea" }, { idempotencyKey: "k" }))).toEqual({
      id: "o1",
    });
  });

  test("a failure is told to the key, so that a repeat is not left waiting", async () => {
    const { keys, seen } = fakeKeys();
    const service = shopService({ order: () => Promise.reject(new Error("boom")) });
    const { dispatcher, plan, incoming } = setUp(service, {}, { keys });
    await failureOf(dispatcher.call(plan("order"), incoming({ item: "tea" }, { idempotencyKey: "k" })));
    expect(seen).toEqual(["fail INTERNAL"]);
  });
});

describe("streams", () => {
  test("validate each event, run inside their call, and are closed when their reader leaves", async () => {
    let closed = false;
    let inside: string | undefined;
    const service = shopService({
      async *offers() {
        try {
          for (let n = 0; ; n++) {
            inside = currentCall()?.procedure;
            yield { n };
          }
        } finally {
          closed = true;
        }
      },
    });
    const { dispatcher, plan, incoming, ended } = setUp(service);
    const seen: unknown[] = [];
    for await (const event of await dispatcher.open(plan("offers"), incoming({}))) {
      if (seen.push(event) === 3) break;
    }
    await turn();
    expect(seen).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
    expect(inside).toBe("offers");
    expect(closed).toBe(true);
    expect(dispatcher.openStreams).toBe(0);
    expect(ended).toEqual(["offers OK"]);
  });

  test("end with BAD_OUTPUT at an event the contract does not declare", async () => {
    const service = shopService({
      async *offers() {
        yield { n: "one" as unknown as number };
      },
    });
    const { dispatcher, plan, incoming } = setUp(service);
    const events = await dispatcher.open(plan("offers"), incoming({}));
    expect((await failureOf(events.next())).code).toBe("BAD_OUTPUT");
  });
});

test("load counts calls of people only: the organism's own traffic never shows in its own series", async () => {
  const { dispatcher, plan, incoming } = setUp(shopService());
  await dispatcher.call(plan("price"), incoming({ item: "tea" }));
  await dispatcher.call(
    plan("price"),
    incoming({ item: "tea" }, { caller: { subject: "service:core", scopes: new Set(["read"]) } }),
  );
  expect(dispatcher.load().services["shop"]).toMatchObject({ requests: 1, errors: 0 });
});

test("how long a caller chose to wait is not the service's latency, answered or not", async () => {
  let ready = () => {};
  const service = shopService({
    price: async ({ item }, { standBy }) => {
      await standBy(item === "tea" ? new Promise<void>((resolve) => (ready = resolve)) : never());
      return { total: 1 };
    },
  });
  const { clock, dispatcher, plan, incoming } = setUp(service);
  const answered = dispatcher.call(plan("price"), incoming({ item: "tea" }));
  await clock.advance(80);
  ready();
  await answered;
  const expired = failureOf(dispatcher.call(plan("price"), incoming({ item: "milk" })));
  await clock.advance(100);
  expect((await expired).code).toBe("DEADLINE");
  expect(dispatcher.load().services["shop"]).toEqual({
    requests: 2,
    errors: 1,
    latencySumMs: 0,
    waitedSumMs: 0,
  });
});

// Side by side, calls sum to more than the time they took: the service that was slow by itself then had no time of its own.
// One that is not waited for goes on when the answer is there.
test("a service's own time is what is left when no call of its own is under way, however many are at once", async () => {
  const ask = (ms: number) =>
    outbound.policy({ contract: { name: "stock" } } as never, () => sleep(clock, ms).then(() => ({}) as never));
  const service = shopService({
    price: async ({ item }) => {
      await sleep(clock, 20);
      await Promise.all([ask(50), ask(30)]);
      await sleep(clock, 7);
      if (item === "milk") void ask(500);
      return { total: 1 };
    },
  });
  const { clock, dispatcher, plan, incoming } = setUp(service);
  const outbound = createOutbound(clock);
  for (const item of ["tea", "milk"]) {
    const answer = dispatcher.call(plan("price"), incoming({ item }));
    await clock.advance(100);
    await answer;
  }
  await clock.advance(500);
  const { requests, latencySumMs, waitedSumMs } = dispatcher.load().services["shop"] as ServiceLoad;
  expect({ requests, latencySumMs, waitedSumMs }).toEqual({ requests: 2, latencySumMs: 154, waitedSumMs: 100 });
  expect(outbound.services["stock"]).toMatchObject({ requests: 5, latencySumMs: 660 });
});

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
