/** The HTTP face of a host: routes from contracts, problems for everything that is not an answer. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { parse as parseQuery } from "node:querystring";
import type { Registry } from "prom-client";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import { ServiceError, toServiceError } from "#core/service-error.ts";
import { requireScope } from "../auth/scopes.ts";
import type { Verifier } from "../auth/verifier.ts";
import { type Caller, HEADERS } from "../call.ts";
import { ownPathOf, probeOf } from "../http/own-path.ts";
import { sendProblem } from "../http/problem-response.ts";
import { correlationIdOf, idempotencyKeyOf, priorityOf, remainingMsOf, traceOf } from "../http/request-head.ts";
import { type RouteMatch, RouteTable } from "../http/route-table.ts";
import { refuseUnreadable } from "../http/unreadable.ts";
import { nothingAt } from "../http/what-exists.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CallContext } from "./call-context.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { writeEventStream } from "./event-stream.ts";
import type { Incoming } from "./incoming.ts";
import { parseJsonBody } from "./json-body.ts";
import type { Plan } from "./plan.ts";
import { readText } from "./request-text.ts";

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

/** Time in which a request has to be there whole. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Longer than clients keep theirs, so that it is they who close. */
const KEEP_ALIVE_MS = 72_000;

const JSON_TYPE = "application/json; charset=utf-8";

type Body = Readonly<Record<string, unknown>>;

/** Not yet listening. */
export function createServer(deps: ServerDeps, options: ServerOptions): Server {
  const table = new RouteTable(deps.dispatcher.plans);
  const server = createHttpServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS, optimizeEmptyRequests: true },
    (request, response) => new Exchange(deps, options, table, request, response).begin(),
  );
  server.on("clientError", refuseUnreadable);
  return server;
}

/** One request and its answer. */
class Exchange {
  readonly #deps: ServerDeps;
  readonly #options: ServerOptions;
  readonly #table: RouteTable<Plan>;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #url: string;
  readonly #correlationId: string;

  constructor(
    deps: ServerDeps,
    options: ServerOptions,
    table: RouteTable<Plan>,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#table = table;
    this.#request = request;
    this.#response = response;
    this.#url = request.url ?? "";
    this.#correlationId = correlationIdOf(request.headers, deps.ids);
  }

  /** Asks who it is before the body is read: a stranger's eight megabytes are not worth parsing. */
  begin(): void {
    try {
      if (this.#answerOpen()) return;
      const caller = this.#deps.verifier.verify(this.#request.headers.authorization);
      if (caller instanceof Promise) caller.then((checked) => this.#admitted(checked)).catch(this.#refuse);
      else this.#admitted(caller);
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** What anybody may ask: whether the host lives, and whether it is ready. */
  #answerOpen(): boolean {
    const probe = probeOf(this.#url);
    if (probe === undefined) return false;
    const isWell = probe === "health" || this.#deps.isReady();
    this.#response.writeHead(isWell ? 200 : 503, { "content-length": 0 }).end();
    return true;
  }

  #admitted(caller: Caller): void {
    const match = this.#table.find(this.#request.method ?? "", this.#url);
    if (match === undefined) return this.#answerOwn(caller);
    const plan = match.to;
    requireScope(caller, plan.procedure.scope);
    if (!plan.hasBody) return this.#run(plan, caller, this.#fromQuery(match));
    readText(
      this.#request,
      this.#options.maxBodyBytes,
      (text) => {
        try {
          this.#run(plan, caller, this.#fromBody(match, text));
        } catch (error) {
          this.#refuse(error);
        }
      },
      this.#refuse,
    );
  }

  /** What every host has beside its services. */
  #answerOwn(caller: Caller): void {
    const { dispatcher, metrics } = this.#deps;
    const method = this.#request.method ?? "";
    const path = method === "GET" ? ownPathOf(this.#url) : "";
    if (path !== "/-/load" && path !== "/-/metrics") throw nothingAt(dispatcher.plans, method, this.#url);
    requireScope(caller, "read");
    if (path === "/-/load") this.#send(JSON_TYPE, JSON.stringify(dispatcher.load()));
    else metrics.metrics().then((text) => this.#send(metrics.contentType, text), this.#refuse);
  }

  #run(plan: Plan, caller: Caller, input: unknown): void {
    const incoming = this.#toIncoming(plan, caller, input);
    const answered = plan.procedure.stream
      ? this.#answerStream(plan, incoming)
      : this.#deps.dispatcher.call(plan, incoming, this.#cancelOnDisconnect).then(this.#sendOutput);
    answered.catch(this.#refuse);
  }

  async #answerStream(plan: Plan, incoming: Incoming): Promise<void> {
    const { dispatcher, clock } = this.#deps;
    const events = await dispatcher.open(plan, incoming, this.#cancelOnDisconnect);
    const correlationId = this.#correlationId;
    await writeEventStream(this.#response, events, { clock, headers: this.#stamp(), correlationId });
  }

  readonly #sendOutput = (output: unknown) => this.#send(JSON_TYPE, JSON.stringify(output));

  readonly #cancelOnDisconnect = (context: CallContext) => {
    const response = this.#response;
    response.on("close", () => {
      if (!response.writableFinished) context.abort(new ServiceError("CANCELLED", "The caller closed its connection."));
    });
  };

  #toIncoming(plan: Plan, caller: Caller, input: unknown): Incoming {
    const { headers } = this.#request;
    return {
      input,
      caller,
      deadlineAtMs: this.#deps.dispatcher.deadlineAt(plan, remainingMsOf(headers)),
      correlationId: this.#correlationId,
      trace: traceOf(headers, this.#deps.random),
      priority: priorityOf(headers),
      idempotencyKey: idempotencyKeyOf(headers),
      nested: false,
    };
  }

  /** Path parameters and the query's known fields. */
  #fromQuery({ to, parameters }: RouteMatch<Plan>): Body {
    const input: Record<string, unknown> = {};
    const start = this.#url.indexOf("?");
    if (start !== -1) {
      const query = parseQuery(this.#url.slice(start + 1));
      for (const field of to.queryFields) {
        const value = query[field];
        if (value !== undefined) input[field] = typeof value === "string" && to.listFields.has(field) ? [value] : value;
      }
    }
    return Object.assign(input, parameters);
  }

  /** Path parameters and the body; a body that is no object is left to the contract to refuse. */
  #fromBody({ parameters }: RouteMatch<Plan>, text: string | undefined): unknown {
    if (text === undefined) return { ...parameters };
    const body = parseJsonBody(text, this.#options.maxJsonDepth);
    return typeof body === "object" && body !== null && !Array.isArray(body) ? Object.assign(body, parameters) : body;
  }

  #send(type: string, body: string): void {
    // Who left is not written to.
    if (this.#response.destroyed) return;
    const headers = this.#stamp();
    headers["content-type"] = type;
    headers["content-length"] = String(Buffer.byteLength(body));
    this.#response.writeHead(200, headers).end(body);
  }

  readonly #refuse = (thrown: unknown) => {
    const error = toServiceError(thrown);
    // A defect in a handler was logged where its call was known; this one never got that far.
    if (error.code === "INTERNAL" && error.cause !== undefined && ownPathOf(this.#url) !== "") {
      this.#deps.log.error({ error, url: this.#url }, "a request failed unexpectedly");
    }
    sendProblem(this.#response, error, this.#correlationId, this.#stamp());
  };

  /** The headers of every answer. */
  #stamp(): Record<string, string> {
    const { dispatcher } = this.#deps;
    const headers: Record<string, string> = {
      [HEADERS.replica]: this.#options.replicaId,
      [HEADERS.load]: `${dispatcher.inFlight}/${dispatcher.limit}`,
      [HEADERS.correlation]: this.#correlationId,
    };
    if (dispatcher.draining) headers.connection = "close";
    return headers;
  }
}
