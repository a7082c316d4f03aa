import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { HttpRequest } from "../../client/exchange.ts";
import { createRayRest, type RayRest, segment } from "./transport.ts";

const schema = z.object({ ok: z.boolean() });

function answering(status: number, text: string, options: { url?: string; token?: string } = {}) {
  const requests: HttpRequest[] = [];
  const rest = createRayRest({
    url: options.url ?? "http://head:8265",
    token: () => options.token,
    clock: createFakeClock(),
    exchange: async (request) => {
      requests.push(request);
      return { status, headers: {}, body: Buffer.from(text) };
    },
  });
  return { rest, requests };
}

async function failure(rest: RayRest, method: "GET" | "POST" = "GET"): Promise<ServiceError> {
  try {
    await rest.call({ method, path: "/api/x", schema });
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error("The call did not fail.");
}

describe("a call", () => {
  // Ray answers 500 without a User-Agent and 405 to what looks like a browser's.
  it("names its sender and carries the token of now", async () => {
    const { rest, requests } = answering(200, '{"ok":true}', { token: "secret" });
    expect(await rest.call({ method: "GET", path: "/api/x", schema })).toEqual({ ok: true });
    expect(requests[0]?.headers).toEqual({
      "user-agent": "seedcore",
      accept: "application/json, text/plain",
      authorization: "Bearer secret",
    });
    const open = answering(200, '{"ok":true}');
    await open.rest.call({ method: "GET", path: "/api/x", schema });
    expect(open.requests[0]?.headers).not.toHaveProperty("authorization");
  });

  it("keeps a path in front of the dashboard's own, and repeats the values of a list", async () => {
    const { rest, requests } = answering(200, '{"ok":true}', { url: "https://example.org/ray/" });
    await rest.call({
      method: "GET",
      path: `/api/${segment("a/b c")}`,
      query: { k: ["1", "2"], no: undefined, n: 3 },
      schema,
    });
    expect(requests[0]?.path).toBe("/ray/api/a%2Fb%20c?k=1&k=2&n=3");
    expect(rest.url).toBe("https://example.org/ray");
  });

  it("sends bytes as they are and everything else as JSON", async () => {
    const { rest, requests } = answering(200, '{"ok":true}');
    const bytes = new Uint8Array([1, 2]);
    await rest.call({ method: "PUT", path: "/p", body: bytes, schema });
    await rest.call({ method: "POST", path: "/p", body: { a: 1, b: undefined }, schema });
    expect(requests.map(({ body, headers }) => [body, headers["content-type"]])).toEqual([
      [bytes, "application/octet-stream"],
      ['{"a":1}', "application/json"],
    ]);
  });

  it("refuses an address that cannot be a dashboard's", () => {
    for (const url of ["head:8265", "ray://head:10001", ""]) {
      const create = () => createRayRest({ url, token: () => undefined, clock: createFakeClock() });
      expect(create).toThrow(/RAY_API_SERVER_ADDRESS/);
    }
  });
});

describe("what goes wrong", () => {
  it.each([
    [400, "INVALID_INPUT", "no"],
    [401, "UNAUTHENTICATED", "no"],
    [403, "FORBIDDEN", "no"],
    [404, "NOT_FOUND", "no"],
    [405, "METHOD_NOT_ALLOWED", "no"],
    [412, "CONFLICT", "no"],
    [413, "TOO_LARGE", "no"],
    [429, "OVERLOADED", "no"],
    [501, "UNSUPPORTED", "no"],
    [302, "BAD_OUTPUT", "no"],
    [500, "UNAVAILABLE", "no"],
    [503, "UNAVAILABLE", "no"],
  ] as const)("status %i is %s", async (status, code, started) => {
    const error = await failure(answering(status, "said this").rest);
    expect(error).toMatchObject({ code, started });
    expect(error.message).toContain("GET http://head:8265/api/x");
    expect(error.message).toContain("said this");
  });

  // A repeat of a write that Ray broke off in the middle could do it twice.
  it("a write that was answered with 500 may have run", async () => {
    expect((await failure(answering(500, "").rest, "POST")).started).toBe("maybe");
  });

  it("shows Ray's words, not its envelope or a whole traceback", async () => {
    expect((await failure(answering(500, '{"result":false,"msg":"no such node","data":null}').rest)).message).toMatch(
      /It said: no such node$/,
    );
    const traceback = 'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: bad name\n.';
    expect((await failure(answering(500, traceback).rest)).message).toMatch(/It said: ValueError: bad name$/);
  });

  it("an answer of another shape, or none of Ray's at all, is told apart from a value", async () => {
    expect(await failure(answering(200, '{"ok":1}').rest)).toMatchObject({ code: "BAD_OUTPUT" });
    expect(await failure(answering(200, "<html>").rest)).toMatchObject({ code: "BAD_OUTPUT" });
  });

  it("no answer in time is DEADLINE, and the caller's own reason stays the caller's", async () => {
    const clock = createFakeClock();
    const rest = createRayRest({
      url: "http://head:8265",
      token: () => undefined,
      clock,
      exchange: (_, signal) =>
        new Promise((__, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    });
    const late = failure(rest);
    await clock.advance(15_000);
    expect(await late).toMatchObject({ code: "DEADLINE" });

    const caller = new AbortController();
    const call = rest.call({ method: "GET", path: "/api/x", schema, signal: caller.signal });
    caller.abort(new ServiceError("CANCELLED", "enough"));
    await expect(call).rejects.toThrow("enough");
    expect(clock.pending).toBe(0);
  });
});
