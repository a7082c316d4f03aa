/** The HTTP face of a host: routes from contracts, problems for everything that is not an answer. */
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Registry } from "prom-client";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import { ServiceError, toProblem } from "#core/service-error.ts";
import { requireScope } from "../auth/scopes.ts";
import type { Verifier } from "../auth/verifier.ts";
import { type Caller, HEADERS } from "../call.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CallContext } from "./call-context.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { writeEventStream } from "./event-stream.ts";
import { fromHttpLayer } from "./http-errors.ts";
import type { Incoming } from "./incoming.ts";
import { parseJsonBody } from "./json-body.ts";
import type { Plan } from "./plan.ts";
import { correlationIdOf, idempotencyKeyOf, priorityOf, remainingMsOf, traceOf } from "./request-head.ts";
import { refuseUnreadable } from "./unreadable.ts";
import { nothingAt, pathOf } from "./what-exists.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks, once the token was checked. */
    caller: Caller;
    correlationId: string;
  }
}

export interface ServerDeps {
  readonly dispatcher: Dispatcher;
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
  /** Whether every service of this host takes calls. */
  readonly isReady: () => boolean;
}

export interface ServerOptions {
  readonly replicaId: string;
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
}

/** Long enough for 200 characters that each take twelve bytes in a URL. */
const MAX_PARAMETER_LENGTH = 2_400;

/** Time in which a request has to be there whole. */
const REQUEST_TIMEOUT_MS = 30_000;

const OPEN_PATHS: ReadonlySet<string> = new Set(["/-/health", "/-/ready"]);

/** Not yet listening: `await server.listen(...)`, or `inject` in tests. */
export function createServer(deps: ServerDeps, options: ServerOptions): FastifyInstance {
  const { dispatcher, verifier, ids } = deps;
  const server = fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    return503OnClosing: false,
    clientErrorHandler: refuseUnreadable,
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => {
      request.correlationId = correlationIdOf(request.headers, ids);
      refuse(deps, options, request, reply, fromHttpLayer(error));
    },
  });
  server.decorateRequest("correlationId", "");
  server.decorateRequest("caller", null as never);
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, parseJsonBody(body as string, options.maxJsonDepth));
    } catch (error) {
      done(error as Error);
    }
  });
  server.setErrorHandler((error, request, reply) => refuse(deps, options, request, reply, fromHttpLayer(error)));
  server.setNotFoundHandler((request, reply) => {
    const error = nothingAt(dispatcher.plans, request.method, request.url);
    if (error.code === "METHOD_NOT_ALLOWED")
      reply.header("allow", (error.data as { allowed: string[] }).allowed.join());
    refuse(deps, options, request, reply, error);
  });
  // Before the body is read: a stranger's eight megabytes are not worth parsing.
  server.addHook("onRequest", (request, _reply, done) => {
    request.correlationId = correlationIdOf(request.headers, ids);
    if (OPEN_PATHS.has(request.url)) return done();
    try {
      const caller = verifier.verify(request.headers.authorization);
      if (caller instanceof Promise) void checkLater(request, caller, done);
      else {
        request.caller = caller;
        done();
      }
    } catch (error) {
      done(error as Error);
    }
  });

  addHostRoutes(server, deps, options);
  for (const plan of dispatcher.plans) {
    server.route({
      method: plan.procedure.method,
      url: pathOf(plan).replace(/\{([^}]+)\}/g, ":$1"),
      exposeHeadRoute: false,
      onRequest: (request, _reply, done) => {
        try {
          requireScope(request.caller, plan.procedure.scope);
          done();
        } catch (error) {
          done(error as Error);
        }
      },
      handler: (request, reply) =>
        plan.procedure.stream
          ? answerStream(deps, options, plan, request, reply)
          : answerUnary(deps, options, plan, request, reply),
    });
  }
  return server;
}

async function checkLater(request: FastifyRequest, checked: Promise<Caller>, done: (error?: Error) => void) {
  let failure: Error | undefined;
  try {
    request.caller = await checked;
  } catch (error) {
    failure = error as Error;
  }
  done(failure);
}

/** What every host has beside its services. */
function addHostRoutes(server: FastifyInstance, deps: ServerDeps, options: ServerOptions): void {
  const { dispatcher, metrics, isReady } = deps;
  server.get("/-/health", (_request, reply) => reply.code(200).send());
  server.get("/-/ready", (_request, reply) => reply.code(isReady() ? 200 : 503).send());
  server.get("/-/metrics", async (request, reply) => {
    requireScope(request.caller, "read");
    stamp(deps, options, request, reply);
    return reply.type(metrics.contentType).send(await metrics.metrics());
  });
  server.get("/-/load", (request, reply) => {
    requireScope(request.caller, "read");
    stamp(deps, options, request, reply);
    return reply.send(dispatcher.load());
  });
}

function answerUnary(
  deps: ServerDeps,
  options: ServerOptions,
  plan: Plan,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const answer = deps.dispatcher.call(plan, toIncoming(deps, plan, request), (context) => {
    cancelOnDisconnect(reply, context);
  });
  return answer.then((output) => {
    stamp(deps, options, request, reply);
    reply.header("content-type", "application/json; charset=utf-8");
    return JSON.stringify(output);
  });
}

async function answerStream(
  deps: ServerDeps,
  options: ServerOptions,
  plan: Plan,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { dispatcher, clock } = deps;
  const events = await dispatcher.open(plan, toIncoming(deps, plan, request), (context) => {
    cancelOnDisconnect(reply, context);
  });
  const { correlationId } = request;
  const headers = {
    [HEADERS.replica]: options.replicaId,
    [HEADERS.load]: `${dispatcher.inFlight}/${dispatcher.limit}`,
    [HEADERS.correlation]: correlationId,
  };
  await writeEventStream(reply.raw, events, { clock, headers, correlationId });
  reply.hijack();
  return reply;
}

function cancelOnDisconnect(reply: FastifyReply, context: CallContext): void {
  const response = reply.raw;
  response.once("close", () => {
    if (!response.writableFinished) context.abort(new ServiceError("CANCELLED", "The caller closed its connection."));
  });
}

function toIncoming(deps: ServerDeps, plan: Plan, request: FastifyRequest): Incoming {
  const { headers } = request;
  return {
    input: toInput(plan, request),
    caller: request.caller,
    deadlineAtMs: deps.dispatcher.deadlineAt(plan, remainingMsOf(headers)),
    correlationId: request.correlationId,
    trace: traceOf(headers, deps.random),
    priority: priorityOf(headers),
    idempotencyKey: idempotencyKeyOf(headers),
    nested: false,
  };
}

/** Path parameters, and either the query's known fields or the body. */
function toInput(plan: Plan, request: FastifyRequest): unknown {
  const parameters = request.params as Record<string, string>;
  let input: Record<string, unknown>;
  if (plan.hasBody) {
    if (request.body !== undefined && (typeof request.body !== "object" || request.body === null)) return request.body;
    input = (request.body as Record<string, unknown> | undefined) ?? {};
  } else {
    input = {};
    const query = request.query as Record<string, unknown>;
    for (const field of plan.queryFields) {
      const value = query[field];
      if (value !== undefined) input[field] = typeof value === "string" && plan.listFields.has(field) ? [value] : value;
    }
  }
  for (const field of plan.pathFields) input[field] = parameters[field];
  return input;
}

/** The headers of every answer. */
function stamp(deps: ServerDeps, options: ServerOptions, request: FastifyRequest, reply: FastifyReply): void {
  const { dispatcher } = deps;
  reply.header(HEADERS.replica, options.replicaId);
  reply.header(HEADERS.load, `${dispatcher.inFlight}/${dispatcher.limit}`);
  reply.header(HEADERS.correlation, request.correlationId);
  if (dispatcher.draining) reply.header("connection", "close");
}

function refuse(
  deps: ServerDeps,
  options: ServerOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  error: ServiceError,
): void {
  stamp(deps, options, request, reply);
  // A defect in a handler was logged where its call was known; this one never got that far.
  if (error.code === "INTERNAL" && error.cause !== undefined && request.routeOptions.url?.startsWith("/-/")) {
    deps.log.error({ error, url: request.url }, "a request failed unexpectedly");
  }
  if (error.code === "UNAUTHENTICATED") reply.header("www-authenticate", "Bearer");
  if (error.retryAfterMs !== undefined) reply.header("retry-after", Math.ceil(error.retryAfterMs / 1_000));
  reply.code(error.status).header("content-type", "application/problem+json; charset=utf-8");
  reply.send(JSON.stringify(toProblem(error, request.correlationId)));
}
