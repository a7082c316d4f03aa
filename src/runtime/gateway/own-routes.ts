/** What the gateway answers by itself: health, topology, metrics, and the description of every service. */
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { type ServiceError, toProblem } from "#core/service-error.ts";
import { requireScope } from "../auth/scopes.ts";
import { type Caller, HEADERS } from "../call.ts";
import { isReady } from "../client/direct-transport.ts";
import { exchange } from "../client/exchange.ts";
import type { Pools } from "../client/pools.ts";
import type { HostContext } from "../host/front.ts";
import { fromHttpLayer } from "./http-errors.ts";
import { probeOf } from "../http/own-path.ts";
import { correlationIdOf } from "../http/request-head.ts";
import { nothingAt } from "../http/what-exists.ts";
import type { Replica } from "../topology.ts";
import { type Exposition, mergeExpositions } from "./metrics-merge.ts";
import { type LiveFeeds, toFollowed } from "./live-feeds.ts";
import type { Offer } from "./offer.ts";
import type { PageFiles } from "./page-files.ts";
import { problemHeaders } from "../http/problem-response.ts";
import type { Sessions } from "./sessions.ts";
import type { TopologyPoll } from "./topology-poll.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks, once the token was checked. */
    caller: Caller;
  }
}

export interface OwnRoutesDeps extends HostContext {
  readonly offered: () => Offer;
  readonly poll: TopologyPoll;
  readonly live: LiveFeeds;
  readonly pools: Pools;
  readonly page: PageFiles;
  readonly sessions: Sessions;
  readonly isDraining: () => boolean;
  /** Requests to services under way. */
  readonly inFlight: () => number;
}

const SCRAPE_TIMEOUT_MS = 2_000;

/** Not listening: the gateway hands it the requests that are for no service. */
export function createOwnRoutes(deps: OwnRoutesDeps): FastifyInstance {
  const { assignment, ids, verifier, topology, poll } = deps;
  const { replicaId, spec } = assignment;
  const app = fastify({
    logger: false,
    bodyLimit: 64 * 1024,
    frameworkErrors: (error, request, reply) => void refuse(request, reply, fromHttpLayer(error)),
  });
  app.decorateRequest("caller", null as never);

  const refuse = (request: FastifyRequest, reply: FastifyReply, error: ServiceError) => {
    const correlationId = correlationIdOf(request.headers, ids);
    if (error.code === "INTERNAL") deps.log.error({ error, url: request.url }, "a request failed unexpectedly");
    reply.code(error.status).headers(problemHeaders(error, correlationId));
    return reply.send(JSON.stringify(toProblem(error, correlationId)));
  };
  app.setErrorHandler((error, request, reply) => refuse(request, reply, fromHttpLayer(error)));
  app.setNotFoundHandler((request, reply) =>
    refuse(request, reply, nothingAt(deps.offered().routed, request.method, request.url)),
  );
  app.addHook("onRequest", (request, reply, proceed) => {
    // The page holds nothing secret, and who is not signed in must get it to do so.
    if (probeOf(request.url) !== undefined || deps.page.find(request.url) !== undefined) return proceed();
    reply.header(HEADERS.replica, replicaId);
    try {
      const caller = verifier.verify(request.headers.authorization);
      if (!(caller instanceof Promise)) {
        request.caller = caller;
        return proceed();
      }
      caller.then((checked) => {
        request.caller = checked;
        proceed();
      }, proceed);
    } catch (error) {
      proceed(error as Error);
    }
  });

  app.get("/-/health", (_request, reply) => reply.code(200).send());
  const isOrganismReady = createReadiness(deps);
  app.get("/-/ready", async (_request, reply) => {
    const isReady = !deps.isDraining() && (await isOrganismReady());
    return reply.code(isReady ? 200 : 503).send();
  });
  app.post("/-/session", (request, reply) => {
    const { authorization = "" } = request.headers;
    return reply.header("set-cookie", deps.sessions.open(request.raw, authorization)).send(toSession(request));
  });
  app.get("/-/session", (request, reply) => reply.send(toSession(request)));
  app.delete("/-/session", (request, reply) =>
    reply.code(204).header("set-cookie", deps.sessions.end(request.raw)).send(),
  );
  const sendPage = (request: FastifyRequest, reply: FastifyReply) => {
    const file = deps.page.find(request.url);
    if (file === undefined)
      return refuse(request, reply, nothingAt(deps.offered().routed, request.method, request.url));
    reply.headers(file.headers);
    const taken = (request.headers["accept-encoding"] ?? "").toString().split(/[,;\s]+/);
    const encoding = file.encodings.find(({ name }) => taken.includes(name));
    if (encoding === undefined) return reply.send(file.content);
    return reply.header("content-encoding", encoding.name).send(encoding.content);
  };
  app.get("/", sendPage);
  app.get("/assets/*", sendPage);
  app.get("/-/topology", (request, reply) => {
    const { after, epoch } = request.query as { after?: string; epoch?: string };
    const left = new AbortController();
    reply.raw.once("close", () => left.abort());
    return poll.next(after === undefined ? undefined : Number(after), epoch, left.signal);
  });
  app.get("/-/live", { exposeHeadRoute: false }, (request, reply) => {
    const { raw } = request;
    const followed = toFollowed((request.query as { of?: string | string[] }).of, deps.offered().table);
    const { authorization } = raw.headers;
    const isOfSession = deps.sessions.authorizationOf(raw) === authorization;
    deps.live.open(
      {
        response: reply.raw,
        async authorization() {
          const present = (isOfSession ? deps.sessions.authorizationOf(raw) : authorization) ?? "";
          await verifier.verify(present);
          return present;
        },
        correlationId: correlationIdOf(raw.headers, ids),
      },
      followed,
    );
    reply.hijack();
  });
  app.get("/-/load", (request, reply) => {
    requireScope(request.caller, "read");
    return reply.send({
      inFlight: deps.inFlight(),
      limit: spec.maxConcurrency,
      queued: 0,
      services: {},
      outbound: {},
      residentBytes: process.memoryUsage.rss(),
    });
  });
  app.get("/-/metrics", async (request, reply) => {
    requireScope(request.caller, "read");
    return reply.type(deps.metrics.contentType).send(await deps.metrics.metrics());
  });
  app.get("/metrics", async (request, reply) => {
    requireScope(request.caller, "read");
    const others = topology.current().replicas.filter((replica) => replica.id !== replicaId);
    const texts = await Promise.all(others.map((replica) => scrape(deps, replica)));
    const own = { text: await deps.metrics.metrics(), labels: { host: spec.name, replica: replicaId } };
    return reply.type(deps.metrics.contentType).send(mergeExpositions([own, ...texts.flat()]));
  });
  app.get("/openapi.json", async (_request, reply) => {
    const { toOpenApi } = await import("../openapi/openapi.ts");
    return reply.send(toOpenApi(deps.offered().contracts, spec.version));
  });
  app.get("/docs", async (_request, reply) => {
    const [{ toOpenApi }, { toDocsPage, DOCS_CSP }] = await Promise.all([
      import("../openapi/openapi.ts"),
      import("../openapi/docs-page.ts"),
    ]);
    const page = toDocsPage(toOpenApi(deps.offered().contracts, spec.version));
    return reply
      .headers({
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": DOCS_CSP,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
      })
      .send(page);
  });
  return app;
}

/** Anybody may ask, so however many do, the replicas are asked once in this time. */
const READY_VALID_MS = 500;

/**
 * Whether the organism can be used, as far as this door knows: of every host that is in the topology some replica says
 * that it is ready, which it does not while its database cannot be used.
 */
function createReadiness({ topology, pools, clock, assignment }: OwnRoutesDeps): () => Promise<boolean> {
  let asked: { readonly atMs: number; readonly answer: Promise<boolean> } | undefined;
  const ask = async () => {
    const others = topology.current().replicas.filter(({ host }) => host !== assignment.spec.name);
    const answers = await Promise.all(
      others.map(async ({ host, address }) => ({ host, isReady: await isReady(pools, address) })),
    );
    const ready = new Set(answers.filter((one) => one.isReady).map(({ host }) => host));
    return others.every(({ host }) => ready.has(host));
  };
  return () => {
    const nowMs = clock.monotonic();
    if (asked === undefined || nowMs - asked.atMs >= READY_VALID_MS) asked = { atMs: nowMs, answer: ask() };
    return asked.answer;
  };
}

function toSession({ caller }: FastifyRequest): { subject: string; scopes: string[] } {
  return { subject: caller.subject, scopes: [...caller.scopes] };
}

/** A replica's metrics, and whether they could be had. */
async function scrape(deps: OwnRoutesDeps, replica: Replica): Promise<Exposition[]> {
  const labels = { host: replica.host, replica: replica.id };
  const up = (value: 0 | 1): Exposition => ({
    text: `# HELP seedcore_scrape_up Whether the replica's metrics could be read.\n# TYPE seedcore_scrape_up gauge\nseedcore_scrape_up ${value}`,
    labels,
  });
  try {
    const request = {
      method: "GET",
      path: "/-/metrics",
      headers: { authorization: `Bearer ${deps.token()}` },
      body: null,
    };
    const reply = await exchange(deps.pools.of(replica.address), request, AbortSignal.timeout(SCRAPE_TIMEOUT_MS));
    if (reply.status !== 200) return [up(0)];
    return [up(1), { text: reply.body.toString(), labels }];
  } catch {
    return [up(0)];
  }
}
