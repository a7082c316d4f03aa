/**
 * Typed calls from TypeScript to a real Serve deployment, through the door that every shim opens.
 * @module-tag smoke
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { defineContract, procedure } from "#core/contract.ts";
import type { ServiceError } from "#core/service-error.ts";
import { createServeHandle, type ServeHandle } from "#runtime/ray/serve-handle.ts";

const toy = defineContract("toy", {
  summary: "What test/ray/serve/toy_app.py deploys.",
  state: "none",
  procedures: {
    add: procedure({
      summary: "Adds.",
      method: "POST",
      path: "/add",
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      deadlineMs: 60_000,
    }),
    repeat: procedure({
      summary: "Repeats.",
      method: "POST",
      path: "/repeat",
      input: z.object({ text: z.string(), times: z.int() }),
      output: z.string(),
      deadlineMs: 60_000,
    }),
    fail: procedure({
      summary: "Raises KeyError.",
      method: "POST",
      path: "/fail",
      input: z.object({ text: z.string() }),
      output: z.null(),
    }),
    wait: procedure({
      summary: "Takes ten minutes.",
      method: "POST",
      path: "/wait",
      input: z.object({}),
      output: z.null(),
    }),
    missing: procedure({ summary: "Is not there.", method: "POST", path: "/x", input: z.object({}), output: z.null() }),
    count: procedure({
      summary: "Counts.",
      method: "POST",
      path: "/count",
      input: z.object({ to: z.int(), size: z.int().optional() }),
      output: z.object({ number: z.int(), text: z.string() }),
      stream: true,
    }),
    seen: procedure({
      summary: "What it noticed.",
      method: "GET",
      path: "/seen",
      input: z.object({}),
      output: z.object({ cancelled: z.int(), made: z.int() }),
    }),
  },
});

let app: ChildProcess;
let socketPath: string;
let model: ServeHandle<typeof toy>;

beforeAll(async () => {
  const { python, gcsAddress, token } = inject("ray");
  app = spawn(python, [join(import.meta.dirname, "serve", "toy_app.py"), gcsAddress], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN: token, RAY_USAGE_STATS_ENABLED: "0" },
  });
  const lines = createInterface({ input: app.stdout as NonNullable<typeof app.stdout> });
  const socket = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => line.endsWith(".sock") && resolve(line));
    app.once("exit", (code) => reject(new Error(`toy_app.py ended with code ${code}.`)));
  });
  socketPath = socket;
  model = createServeHandle("toy-model/Toy", toy, { socketPath, clock: systemClock });
});

afterAll(async () => {
  await model[Symbol.asyncDispose]();
  app.stdin?.end();
  await once(app, "exit");
});

test("a method of a Python deployment is called by its contract", async () => {
  expect(await model.add({ a: 2, b: 40 })).toBe(42);
  const many = await Promise.all(Array.from({ length: 50 }, (_, a) => model.add({ a, b: 1 })));
  expect(many).toEqual(Array.from({ length: 50 }, (_, a) => a + 1));
});

test("the ingress of an application needs no name", async () => {
  await using ingress = createServeHandle("toy-model", toy, { socketPath, clock: systemClock });
  expect(await ingress.add({ a: 1, b: 1 })).toBe(2);
});

test("values of many megabytes pass both ways", async () => {
  const text = "x".repeat(8_000_000);
  expect((await model.repeat({ text, times: 2 })).length).toBe(16_000_000);
});

test("an exception comes with its class and traceback", async () => {
  await expect(model.fail({ text: "nope" })).rejects.toMatchObject({
    code: "PYTHON_EXCEPTION",
    message: "fail raised KeyError: 'nope'",
    started: "yes",
    data: { exception: "builtins.KeyError", traceback: expect.stringContaining("raise KeyError(text)") },
  });
});

test("what is not there is said to be not there", async () => {
  await expect(model.missing({})).rejects.toMatchObject({ code: "NOT_FOUND", started: "no" });
  await using other = createServeHandle("no-such-app", toy, { socketPath, clock: systemClock });
  await expect(other.add({ a: 1, b: 1 })).rejects.toMatchObject({ code: "NOT_FOUND", started: "no" });
  expect(await other.isHealthy()).toBe(false);
  expect(await model.isHealthy()).toBe(true);
});

test("the deadline and the caller's signal cancel the Python coroutine", async () => {
  const before = (await model.seen({})).cancelled;
  await expect(model.wait({}, { deadlineMs: 200 })).rejects.toMatchObject({ code: "DEADLINE" });
  const leaving = new AbortController();
  const waiting = model.wait({}, { signal: leaving.signal });
  setTimeout(() => leaving.abort(), 200);
  await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
  await vi.waitFor(async () => expect((await model.seen({})).cancelled).toBe(before + 2), { timeout: 10_000 });
});

test("a stream yields in order, and leaving it early cancels the generator", async () => {
  const numbers: number[] = [];
  for await (const { number } of model.count({ to: 100 })) numbers.push(number);
  expect(numbers).toEqual(Array.from({ length: 100 }, (_, number) => number));

  for await (const { number } of model.count({ to: 10_000_000 })) if (number === 5) break;
  await vi.waitFor(
    async () => {
      const first = await model.seen({});
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect((await model.seen({})).made).toBe(first.made);
    },
    { timeout: 20_000 },
  );
});

// Serve's streams are unbounded on their way to the shim, whatever a handle asks for. Should this fail on a newer Ray, Serve
// has learned to hold a generator back: then say so in docs/ray.md.
test("a generator runs ahead of who does not read, and nothing of it is lost", async () => {
  const to = 2_000;
  const numbers: number[] = [];
  for await (const { number, text } of model.count({ to, size: 10_000 })) {
    if (number === 0) {
      await vi.waitFor(async () => expect((await model.seen({})).made).toBe(to), { timeout: 60_000, interval: 200 });
    }
    expect(text).toHaveLength(10_000);
    numbers.push(number);
  }
  expect(numbers).toEqual(Array.from({ length: to }, (_, number) => number));
});

test("a deployment whose queue is full refuses as OVERLOADED, which has not started", async () => {
  await using narrow = createServeHandle("toy-narrow", toy, { socketPath, clock: systemClock });
  expect(await narrow.add({ a: 1, b: 1 })).toBe(2);
  const leaving = new AbortController();
  const told: string[] = [];
  const calls = Array.from({ length: 10 }, () =>
    narrow.wait({}, { signal: leaving.signal, deadlineMs: 60_000 }).catch((error: ServiceError) => {
      told.push(`${error.code}, started: ${error.started}`);
    }),
  );
  // One runs and one waits, unless Serve refuses that one too while the first is on its way.
  await vi.waitFor(() => expect(told.length).toBeGreaterThanOrEqual(8), { timeout: 20_000 });
  expect(new Set(told)).toEqual(new Set(["OVERLOADED, started: no"]));
  expect(told.length).toBeLessThan(10);
  leaving.abort();
  await Promise.all(calls);
  await vi.waitFor(async () => expect(await narrow.add({ a: 1, b: 1 })).toBe(2), { timeout: 20_000 });
});

test("without a shim a call has certainly not started", async () => {
  await using nobody = createServeHandle("toy-model", toy, { socketPath: `${socketPath}.gone`, clock: systemClock });
  await expect(nobody.add({ a: 1, b: 1 })).rejects.toMatchObject({ code: "UNAVAILABLE", started: "no" });
});
