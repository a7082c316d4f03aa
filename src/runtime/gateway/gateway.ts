/** The door for outsiders: HTTP in, route by contract, to a replica, and the organism's own addresses under `/-/`. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer as createHttpServer } from "node:http";
import type { Contract } from "#core/contract.ts";
import { ServiceError, toServiceError } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";
import { createBalancer } from "../client/balancer.ts";
import { createPools } from "../client/pools.ts";
import type { Front, HostContext } from "../host/front.ts";
import { listen } from "../http/listen.ts";
import { ownPathOf } from "../http/own-path.ts";
import { correlationIdOf, remainingMsOf } from "../http/request-head.ts";
import { refuseUnreadable } from "../http/unreadable.ts";
import { nothingAt } from "../http/what-exists.ts";
import { Doorkeeper } from "./doorkeeper.ts";
import { createGatewayMetrics } from "./gateway-metrics.ts";
import { createOwnRoutes } from "./own-routes.ts";
import { sendProblem } from "../http/problem-response.ts";
import { ProxiedCall, type ProxyParts } from "./proxied-call.ts";
import { readBody } from "./request-body.ts";
import { LiveFeeds } from "./live-feeds.ts";
import { createOffer } from "./offer.ts";
import { readPageFiles } from "./page-files.ts";
import type { Routed, RouteMatch } from "../http/route-table.ts";
import { Sessions } from "./sessions.ts";
import { TopologyPoll } from "./topology-poll.ts";

const REQUEST_TIMEOUT_MS = 30_000;
const PONG = '{"ok":true}';

type Proceed = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * @param builtIn contracts it knows by itself; those of a person's own hosts it learns from the engine
 * @param pageFolder of the built page
 */
export async function createGateway(
  context: HostContext,
  builtIn: readonly Contract[],
  pageFolder: string,
): Promise<Front> {
  const { assignment, clock, ids, random, topology, verifier } = context;
  const { spec } = assignment;
  const offered = createOffer(builtIn, context.engineStatus);
  const pools = createPools(topology);
  const parts: ProxyParts = { balancer: createBalancer(topology, clock, random), pools, topology, clock, random };
  const poll = new TopologyPoll(topology, clock);
  const live = new LiveFeeds({ ...parts, maxDeadlineMs: spec.maxDeadlineMs });
  const sessions = new Sessions(clock);
  const running = new Set<ProxiedCall>();
  const metrics = createGatewayMetrics(context.metrics, () => running.size);
  const maxRunning = spec.maxConcurrency + spec.maxQueue;
  const pingHeaders = {
    "content-type": "application/json; charset=utf-8",
    "content-length": PONG.length,
    [HEADERS.replica]: assignment.replicaId,
  };
  const { bindAddress, nodeAddress = bindAddress } = assignment;
  const toDoorkeeper = (config: Readonly<Record<string, unknown>>) =>
    new Doorkeeper([bindAddress, nodeAddress, ...allowedHosts(config)]);
  let doorkeeper = toDoorkeeper(assignment.config);
  let draining = false;
  let onIdle: (() => void) | undefined;

  /** Checks the token, then goes on; refuses what goes wrong on the way. */
  function admit(request: IncomingMessage, response: ServerResponse, proceed: Proceed): void {
    const refuse = (error: unknown) => {
      const failure = toServiceError(error);
      metrics.ended("", failure.status);
      sendProblem(response, failure, correlationIdOf(request.headers, ids));
    };
    try {
      const caller = verifier.verify(request.headers.authorization);
      if (caller instanceof Promise) caller.then(() => proceed(request, response)).catch(refuse);
      else proceed(request, response);
    } catch (error) {
      refuse(error);
    }
  }

  /** While draining too: whoever still has a connection is served, and told to close it. */
  function forward(request: IncomingMessage, response: ServerResponse): void {
    const match = findRoute(request);
    if (running.size >= maxRunning) {
      throw new ServiceError("OVERLOADED", `${running.size} calls are under way, the most this gateway takes.`, {
        retryAfterMs: 100,
      });
    }
    const { procedure, contract } = match.to;
    const allowedMs = Math.min(remainingMsOf(request.headers) ?? procedure.deadlineMs, spec.maxDeadlineMs);
    if (allowedMs <= 0) {
      throw new ServiceError("EXPIRED", `The deadline of a call of ${contract.name} had passed when it arrived.`);
    }
    const call = new ProxiedCall(parts, {
      request,
      response,
      match,
      deadlineAtMs: clock.monotonic() + allowedMs,
      closes: () => draining,
      ended(error) {
        running.delete(call);
        if (error === undefined) metrics.ended(contract.name, response.statusCode);
        else {
          metrics.ended(contract.name, error.status);
          sendProblem(response, error, correlationIdOf(request.headers, ids));
        }
        if (running.size === 0) onIdle?.();
      },
    });
    running.add(call);
    readBody(
      request,
      spec.maxBodyBytes,
      (body) => call.send(body),
      (error) => call.fail(error),
    );
  }

  function findRoute(request: IncomingMessage): RouteMatch<Routed> {
    const { table, routed } = offered();
    const match = table.find(request.method ?? "", request.url ?? "");
    if (match === undefined) throw nothingAt(routed, request.method ?? "", request.url ?? "");
    return match;
  }

  /** Answers by itself, as fast as can be: what a caller measures here is the way to the gateway. */
  function ping(_request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, pingHeaders).end(PONG);
  }

  const own = createOwnRoutes({
    ...context,
    offered,
    poll,
    live,
    pools,
    sessions,
    page: await readPageFiles(pageFolder),
    isDraining: () => draining,
    inFlight: () => running.size,
  });
  await own.ready();

  const server: Server = createHttpServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    try {
      doorkeeper.check(request.headers.host, request.headers.origin);
    } catch (error) {
      response.setHeader("connection", "close");
      sendProblem(response, toServiceError(error), correlationIdOf(request.headers, ids));
      return;
    }
    sessions.recognise(request);
    if (offered().table.isOfService(request.url ?? "")) admit(request, response, forward);
    else if (ownPathOf(request.url ?? "") === "/-/ping" && request.method === "GET") admit(request, response, ping);
    else own.routing(request, response);
  });
  // Longer than clients keep theirs, so that it is they who close.
  server.keepAliveTimeout = 72_000;
  server.on("clientError", refuseUnreadable);

  return {
    listen() {
      return listen(server, { bindAddress, port: spec.port });
    },
    async start() {
      context.ready();
    },
    async reconfigure(config) {
      doorkeeper = toDoorkeeper(config);
    },
    async drain() {
      draining = true;
      // Those who connect from now on reach the successor.
      server.close();
      server.closeIdleConnections();
      poll.endAll();
      live.endAll();
      for (const call of running) call.drain();
      if (running.size > 0) {
        await new Promise<void>((resolve) => {
          onIdle = resolve;
        });
      }
    },
    abortAll(reason) {
      for (const call of running) call.fail(reason);
    },
    async close() {
      poll.endAll();
      live.endAll();
      server.close();
      server.closeAllConnections();
      parts.balancer.close();
      await Promise.all([own.close(), pools.close()]);
    },
  };
}

/** The gateway's own live configuration. */
function allowedHosts(config: Readonly<Record<string, unknown>>): readonly string[] {
  const { allowedHosts: names } = (config.gateway ?? {}) as { allowedHosts?: unknown };
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
}
