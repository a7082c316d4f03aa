/**
 * The host that keeps an organism on Ray as it should be: what the supervisor is on one machine. It serves nobody but
 * who asks for its load; it follows the desired state, tells every host what runs, and renews their tokens.
 */
import { createServer } from "node:http";
import { every } from "#core/clock.ts";
import { z } from "zod";
import { subjectOfHost } from "#runtime/auth/scopes.ts";
import { mintToken } from "#runtime/auth/token.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import { type HostSpec, isOwnHost } from "#runtime/engine/host-spec.ts";
import { readClusterStatus } from "#runtime/engine/ray/cluster-status.ts";
import { createRayEngine } from "#runtime/engine/ray/ray-engine.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createRegistrySocket } from "#runtime/engine/ray/registry-socket.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import type { Front, HostContext } from "#runtime/host/front.ts";
import { listen } from "#runtime/http/listen.ts";
import { ownPathOf, probeOf } from "#runtime/http/own-path.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { DEFAULT_NAMESPACE } from "../home.ts";
import { createLeadership, LEAD_MS } from "./leadership.ts";
import { createTelling } from "./telling.ts";

/** What only this host gets. */
export const EngineSecret = z.object({
  privateKey: z.looseObject({ kty: z.string() }),
  ray: z.object({ apiUrl: z.string(), token: z.string().optional() }),
});
export type EngineSecret = z.output<typeof EngineSecret>;

/** A host's own token; renewed at half its life. */
export const HOST_TOKEN_LIFE_MS = 48 * 3_600_000;

/** Every host hears of a change of what runs, but not more often than this. */
const TELL_MS = 1_000;

/** Nodes come and go seldom, and what runs on them is told by their hosts. */
const CLUSTER_MS = 10_000;

export async function createEngineFront(context: HostContext): Promise<Front> {
  const { assignment, clock, log } = context;
  const { namespace, serveSocket } = assignment;
  if (serveSocket === undefined) throw new TypeError('"engine" runs on Ray only.');
  const secret = EngineSecret.parse(assignment.secret);
  const socket = createRegistrySocket(serveSocket);
  const registry = createRegistry(socket.call);
  const rest = createRayRest({ url: secret.ray.apiUrl, token: () => secret.ray.token, clock });
  const databases = createDatabases(assignment.databaseUrl, clock, namespace);
  const leadership = createLeadership({ registry, log, makeEngine, changed: tellStanding });
  const stops: (() => void)[] = [];
  const serve = createServe({ rest, namespace, clock, lock: createRegistryLock({ registry, clock, log }) });
  const telling = createTelling({
    registry,
    engine: () => leadership.engine,
    readCluster: (applications) => readClusterStatus({ rest, namespace, applications }),
  });

  const server = createServer(async ({ url = "", headers }, response) => {
    if (ownPathOf(url) !== "/-/load") return response.writeHead(statusOf(probeOf(url))).end();
    try {
      await context.verifier.verify(headers.authorization);
    } catch {
      return response.writeHead(401).end();
    }
    const load = { services: {}, residentBytes: process.memoryUsage.rss() };
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(load));
  });

  function statusOf(probe: ReturnType<typeof probeOf>): number {
    if (probe === undefined) return 404;
    return probe === "ready" && leadership.standing.kind === "unable" ? 503 : 200;
  }

  function tellStanding(): void {
    const { standing } = leadership;
    if (standing.kind === "unable") context.notReady(standing.reason);
    else context.ready();
  }

  async function makeEngine() {
    const database = await databases.open("seedcore", [desiredStateSchema]);
    return createRayEngine({
      clock,
      log,
      namespace,
      defaultNamespace: DEFAULT_NAMESPACE,
      serve,
      registry,
      desired: createDesiredState(database, clock),
      secretOf: ({ services }) => (services.includes("engine") ? secret : undefined),
      mintToken: (spec) => mintHostToken(secret.privateKey, spec, namespace),
    });
  }

  const careful = (what: string, work: () => Promise<unknown>) => async () => {
    await work().catch((error: unknown) => log.warn({ error }, `${what} failed; it is tried again`));
  };

  return {
    listen: () => listen(server, { bindAddress: assignment.bindAddress, port: assignment.spec.port }),
    async start() {
      stops.push(
        every(clock, LEAD_MS / 3, careful("keeping the lead", leadership.keep)),
        every(clock, TELL_MS, careful("telling what runs", telling.tell)),
        every(clock, CLUSTER_MS, careful("looking at the cluster", telling.lookAtCluster)),
        every(
          clock,
          HOST_TOKEN_LIFE_MS / 2,
          careful("renewing tokens", async () => leadership.engine?.renewTokens()),
        ),
      );
      context.waiting("engine takes the lead");
      await careful("taking the lead", leadership.keep)();
    },
    async reconfigure() {},
    async drain() {
      for (const stop of stops.splice(0)) stop();
      await leadership.end();
    },
    abortAll() {},
    async close() {
      for (const stop of stops.splice(0)) stop();
      server.close();
      server.closeAllConnections();
      socket.close();
      await Promise.all([rest.close(), databases.close()]);
    },
  };
}

export function mintHostToken(
  privateKey: EngineSecret["privateKey"],
  host: Pick<HostSpec, "name" | "contracts">,
  namespace: string,
): Promise<string> {
  return mintToken(privateKey, {
    subject: subjectOfHost(host.name, isOwnHost(host)),
    scopes: isOwnHost(host) ? ["read", "operate"] : ["read", "operate", "admin"],
    namespace,
    ttlMs: HOST_TOKEN_LIFE_MS,
  });
}
