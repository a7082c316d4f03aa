/** One call of Ray's dashboard: token, deadline, errors that say what to do, and an answer that was looked at. */
import type { Pool } from "undici";
import UndiciPool from "undici/lib/dispatcher/pool.js";
import { z } from "zod";
import type { Clock } from "#core/clock.ts";
import { ServiceError, type ServiceErrorOptions } from "#core/service-error.ts";
import { exchange, type HttpRequest, type Reply } from "../../client/exchange.ts";

/** Body size the dashboard refuses to exceed (aiohttp's client_max_size, Ray 2.60). */
export const MAX_BODY_BYTES = 100 * 1024 * 1024;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 3_000;
const DEFAULT_TIMEOUT_MS = 15_000;

export interface RestCall<T> {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Encoded: use {@link segment} for what others name. */
  readonly path: string;
  /** A list gives its parameter once per value; undefined leaves it out. */
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Bytes go as they are, everything else as JSON. */
  readonly body?: unknown;
  /** What the answer's JSON must be; fields it does not name are let through or dropped as the schema says. */
  readonly schema: z.ZodType<T>;
  readonly signal?: AbortSignal | undefined;
  /** @default 15000 */
  readonly timeoutMs?: number;
}

/** Text answers, such as logs, have no schema. */
export type RestTextCall = Omit<RestCall<string>, "schema">;

export interface RayRest {
  /** Without a trailing slash. */
  readonly url: string;
  /** @throws ServiceError as the module says; NOT_FOUND and INVALID_INPUT carry Ray's own words */
  call<T>(call: RestCall<T>): Promise<T>;
  text(call: RestTextCall): Promise<string>;
  close(): Promise<void>;
}

/** Sends one request; the seam where tests put a fake. */
export type RestExchange = (request: HttpRequest, signal: AbortSignal) => Promise<Reply>;

export interface RayRestOptions {
  /** Such as `http://10.0.0.4:8265`; a path in front of the dashboard's own is kept. */
  readonly url: string;
  /** Asked before each call, so that a token may be replaced; undefined for a cluster without authentication. */
  readonly token: () => string | undefined;
  readonly clock: Clock;
  /** @default a pool of connections to `url` */
  readonly exchange?: RestExchange;
}

/**
 * Opens nothing yet: the first call connects.
 *
 * Not fetch: Ray answers 405 to every write that carries its Sec-Fetch headers, and 500 to a call without a User-Agent.
 * @throws ServiceError INVALID_INPUT for something that is no http(s) URL
 */
export function createRayRest({ url, token, clock, exchange: given }: RayRestOptions): RayRest {
  const base = toBase(url);
  const pool =
    given === undefined
      ? new UndiciPool(base.origin, {
          connections: 8,
          // Deadlines are below: Ray takes its time with a first deployment.
          headersTimeout: 0,
          bodyTimeout: 0,
          maxResponseSize: MAX_ANSWER_BYTES,
          connect: { timeout: CONNECT_TIMEOUT_MS },
        })
      : undefined;
  const send: RestExchange = given ?? ((request, signal) => exchange(pool as Pool, request, signal));

  async function ask(call: RestTextCall): Promise<Reply> {
    const { method, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = call;
    const where = `${method} ${base.origin}${base.prefix}${call.path}`;
    const deadline = new AbortController();
    const cancel = clock.after(timeoutMs, () =>
      deadline.abort(
        new ServiceError("DEADLINE", `${where} had no answer within ${timeoutMs / 1_000} s. Is the head overloaded?`, {
          started: method === "GET" ? "no" : "maybe",
        }),
      ),
    );
    try {
      const request = toRequest(call, base.prefix, token());
      const reply = await send(
        request,
        signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
      );
      if (reply.status !== 200) throw toError(reply, call, where);
      return reply;
    } finally {
      cancel();
    }
  }

  return {
    url: base.origin + base.prefix,
    async call(call) {
      const { body } = await ask(call);
      return readAnswer(call.schema, body.toString(), `${call.method} ${base.origin}${base.prefix}${call.path}`);
    },
    async text(call) {
      return (await ask(call)).body.toString();
    },
    async close() {
      await pool?.destroy();
    },
  };
}

/** A name as one part of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

function toBase(url: string): { readonly origin: string; readonly prefix: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new ServiceError(
      "INVALID_INPUT",
      `"${url}" is not the address of a Ray dashboard. Set RAY_API_SERVER_ADDRESS to one such as http://head:8265.`,
    );
  }
  return { origin: parsed.origin, prefix: parsed.pathname.replace(/\/+$/, "") };
}

function toRequest(call: RestTextCall, prefix: string, token: string | undefined): HttpRequest {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)]) query.append(name, one);
  }
  const { body } = call;
  const isBytes = body instanceof Uint8Array;
  return {
    method: call.method,
    path: `${prefix}${call.path}${query.size > 0 ? `?${query.toString()}` : ""}`,
    headers: {
      "user-agent": "seedcore",
      accept: "application/json, text/plain",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": isBytes ? "application/octet-stream" : "application/json" }),
    },
    body: body === undefined ? null : isBytes ? body : JSON.stringify(body),
  };
}

function readAnswer<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let value: unknown;
  try {
    // Some writes are answered with nothing at all.
    value = text === "" ? null : JSON.parse(text);
  } catch (cause) {
    throw new ServiceError("BAD_OUTPUT", `${where} answered with something that is not JSON: ${short(text)}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ServiceError(
    "BAD_OUTPUT",
    `${where} answered with another shape than Ray 2.60 does: ${issue?.path.join(".") || "the whole"}: ${issue?.message}.`,
    { cause: parsed.error },
  );
}

/** Which error a status other than 200 is, and what the reader can do about it. */
function toError({ status, body, headers }: Reply, { method }: RestTextCall, where: string): ServiceError {
  const said = short(toWords(body.toString()));
  const fail = (code: ConstructorParameters<typeof ServiceError>[0], what: string, options: ServiceErrorOptions = {}) =>
    new ServiceError(code, `${where}: ${what}${said === "" ? "" : ` It said: ${said}`}`, options);
  const mayHaveRun: ServiceErrorOptions = { started: method === "GET" ? "no" : "maybe" };

  switch (status) {
    case 400:
      return fail("INVALID_INPUT", "Ray refused the request.");
    case 401:
      return fail(
        "UNAUTHENTICATED",
        "this cluster wants a token. Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, or write it to ~/.ray/auth_token; `ray get-auth-token` on the head prints it.",
      );
    case 403:
      return fail(
        "FORBIDDEN",
        "this cluster has another token. Compare RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH and ~/.ray/auth_token with what `ray get-auth-token` prints on the head.",
      );
    case 404:
      return fail("NOT_FOUND", "there is no such thing.");
    case 405:
      return fail(
        "METHOD_NOT_ALLOWED",
        "Ray took this for a browser's request. Does a proxy in between add an Origin, Referer or Sec-Fetch header?",
      );
    case 409:
    case 412:
      return fail("CONFLICT", "the present state does not allow it.", { started: "no" });
    case 413:
      return fail("TOO_LARGE", `the dashboard takes ${MAX_BODY_BYTES / 1024 / 1024} MiB in one request.`);
    case 429: {
      const seconds = Number(headers["retry-after"]);
      return fail(
        "OVERLOADED",
        "the dashboard has too many calls.",
        seconds > 0 ? { retryAfterMs: seconds * 1_000 } : {},
      );
    }
    case 501:
      return fail("UNSUPPORTED", "a part of Ray is not installed on the head; it needs `ray[serve]`.");
    default:
      if (status >= 500) return fail("UNAVAILABLE", `the head answered ${status}.`, mayHaveRun);
      return fail(
        "BAD_OUTPUT",
        `the answer was ${status}, which Ray does not give. Is this a Ray dashboard?`,
        mayHaveRun,
      );
  }
}

/** The words within Ray's JSON errors, else the text itself; of a traceback its last line, which names the cause. */
function toWords(text: string): string {
  let words = text.trim();
  try {
    const { msg, error } = z
      .object({ msg: z.string().optional(), error: z.string().optional() })
      .parse(JSON.parse(text));
    words = (msg ?? error ?? text).trim();
  } catch {
    // Plain text.
  }
  if (!words.startsWith("Traceback")) return words;
  return words.split("\n").findLast((line) => /\w/.test(line)) ?? words;
}

function short(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)} …` : text;
}
