/**
 * The host that keeps an organism on Ray as it should be: what the supervisor is on one machine. It serves nobody; it
 * follows the desired state, tells every host what runs, and renews their tokens.
 */
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { every } from "#core/clock.ts";
import { z } from "zod";
import { subjectOfHost } from "#runtime/auth/scopes.ts";
import { mintToken } from "#runtime/auth/token.ts";
import { createDesiredState, desiredStateSchema } from "#runtime/engine/desired-state-rows.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { type HostSpec, isOwnHost } from "#runtime/engine/host-spec.ts";
import { createRayEngine, type RayEngine } from "#runtime/engine/ray/ray-engine.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createRegistrySocket } from "#runtime/engine/ray/registry-socket.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import type { Front, HostContext } from "#runtime/host/front.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { DEFAULT_NAMESPACE } from "../home.ts";

/** What only this host gets. */
export const EngineSecret = z.object({
  privateKey: z.looseObject({ kty: z.string() }),
  ray: z.object({ apiUrl: z.string(), token: z.string().optional() }),
});
export type EngineSecret = z.output<typeof EngineSecret>;

/** A host's own token; renewed at half its life. */
export const HOST_TOKEN_LIFE_MS = 48 * 3_600_000;

const LEAD_MS = 15_000;
/** Every host hears of a change of what runs, but not more often than this. */
const TELL_MS = 1_000;

export async function createEngineFront(context: HostContext): Promise<Front> {
  const { assignment, clock, log } = context;
  const { namespace, serveSocket } = assignment;
  if (serveSocket === undefined) throw new TypeError('"engine" runs on Ray only.');
  const secret = EngineSecret.parse(assignment.secret);
  const socket = createRegistrySocket(serveSocket);
  const registry = createRegistry(socket.call);
  const rest = createRayRest({ url: secret.ray.apiUrl, token: () => secret.ray.token, clock });
  const databases = createDatabases(assignment.databaseUrl, clock, namespace);
  const holder = randomUUID();
  const stops: (() => void)[] = [];
  let engine: RayEngine | undefined;
  let told = "";

  const server = createServer((request, response) => {
    const isKnown = request.url === "/-/health" || request.url === "/-/ready";
    response.writeHead(isKnown ? 200 : 404).end();
  });

  async function lead(): Promise<void> {
    if (engine !== undefined || !(await registry.acquire("engine", holder, LEAD_MS))) return;
    const database = await databases.open("seedcore", [desiredStateSchema]);
    const made = await createRayEngine({
      clock,
      log,
      namespace,
      defaultNamespace: DEFAULT_NAMESPACE,
      serve: createServe({ rest, namespace, clock, lock: createRegistryLock(registry, clock) }),
      registry,
      desired: createDesiredState(database, clock),
      secretOf: ({ services }) => (services.includes("engine") ? secret : undefined),
      mintToken: (spec) => mintHostToken(secret.privateKey, spec, namespace),
    });
    engine = made;
    await made.start();
    log.info({}, "this host leads: it follows the desired state");
  }

  async function tell(): Promise<void> {
    const status: EngineStatus | undefined = engine?.status();
    if (status === undefined) return;
    const text = JSON.stringify(status);
    if (text === told) return;
    await registry.deposit({ engine: status });
    told = text;
  }

  const careful = (what: string, work: () => Promise<unknown>) => async () => {
    await work().catch((error: unknown) => log.warn({ error }, `${what} failed; it is tried again`));
  };

  return {
    async listen() {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ host: assignment.bindAddress, port: assignment.spec.port }, resolve);
      });
      const bound = server.address();
      const port = typeof bound === "object" && bound !== null ? bound.port : assignment.spec.port;
      const { bindAddress } = assignment;
      return `http://${bindAddress.includes(":") ? `[${bindAddress}]` : bindAddress}:${port}`;
    },
    async start() {
      stops.push(
        every(
          clock,
          LEAD_MS / 3,
          careful("keeping the lead", async () => {
            await (engine === undefined ? lead() : registry.acquire("engine", holder, LEAD_MS));
          }),
        ),
        every(clock, TELL_MS, careful("telling what runs", tell)),
        every(
          clock,
          HOST_TOKEN_LIFE_MS / 2,
          careful("renewing tokens", async () => engine?.renewTokens()),
        ),
      );
      await careful("taking the lead", lead)();
      context.ready();
    },
    async reconfigure() {},
    async drain() {
      for (const stop of stops.splice(0)) stop();
      await engine?.detach();
      await registry.release("engine", holder).catch(() => {});
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
