/** A host's services on its port: built, warmed up, owned, called, drained and closed. */
import { canonicalJson } from "#core/canonical-json.ts";
import type { Contract } from "#core/contract.ts";
import type { ServiceError } from "#core/service-error.ts";
import { callerOfOwnToken } from "../auth/token.ts";
import { createClient } from "../client/create-client.ts";
import { createDirectTransport } from "../client/direct-transport.ts";
import { createLocalTransport } from "../client/local-transport.ts";
import { createServeHandle } from "../ray/serve-handle.ts";
import type { DesiredState } from "../engine/desired-state.ts";
import { createDesiredState, desiredStateSchema } from "../engine/desired-state-rows.ts";
import { isOwnHost } from "../engine/host-spec.ts";
import type { Service } from "../service.ts";
import { createDatabases, NO_DATABASES } from "../storage/databases.ts";
import { createShardEpochs, shardsSchema } from "../storage/shard-epochs.ts";
import { createCallMetrics, registerStatementCount } from "../telemetry/metrics.ts";
import { listen } from "../http/listen.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Front, HostContext } from "./front.ts";
import { createIdempotencyStore, idempotencySchema } from "./idempotency.ts";
import { initialise } from "./initialisation.ts";
import { createOutbound } from "./outbound.ts";
import { createOwnership } from "./ownership.ts";
import { createPending } from "./pending.ts";
import { createServer } from "./server.ts";
import type { ServiceContext, ServiceFactory } from "./service-context.ts";

/** Where a service comes from, by name. */
export type ServiceSource = (name: string) => Promise<ServiceFactory>;

/** The organism as this host sees it: calls of its own services stay in the process, the others go to replicas. */
export type HostLink = Pick<ServiceContext, "namespace" | "client" | "topology">;

/** The database in which desired state lives. */
const MAIN_DATABASE = "seedcore";

/** @param linked told before any service's code is loaded, so that it can rely on what this sets up */
export async function createServicesFront(
  host: HostContext,
  source: ServiceSource,
  linked: (link: HostLink) => void = () => {},
): Promise<Front> {
  const { assignment, clock, ids, random, log, metrics, topology } = host;
  const { spec, replicaId, namespace } = assignment;
  const stopping = new AbortController();
  const databases =
    assignment.databaseUrl === "" ? NO_DATABASES : createDatabases(assignment.databaseUrl, clock, namespace, log);
  registerStatementCount(metrics, databases.statementCount);
  const direct = createDirectTransport({ topology, token: host.token, clock, random });
  const deployments: AsyncDisposable[] = [];
  let dispatcher: Dispatcher | undefined;
  const transport = createLocalTransport(
    {
      takes: (call) => dispatcher?.takes(call) ?? false,
      dispatch: (call) => built(dispatcher).dispatch(call),
      dispatchStream: (call) => built(dispatcher).dispatchStream(call),
    },
    direct,
  );
  const desired = tellingEngine(
    lazily(async () => createDesiredState(await databases.open(MAIN_DATABASE, [desiredStateSchema]), clock)),
    host.desiredChanged,
  );
  // The organism's own services are not among those it watches.
  const outbound = isOwnHost(spec) ? createOutbound(clock) : undefined;
  const policy = outbound === undefined ? {} : { policy: outbound.policy };
  const link: HostLink = {
    namespace,
    topology,
    client: <C extends Contract>(contract: C) => createClient(contract, { transport, clock, ids, random, ...policy }),
  };
  const contextOf = (name: string): ServiceContext => ({
    ...link,
    replicaId,
    clock,
    ids,
    random,
    log: log.child({ service: name }),
    metrics,
    serve(target, contract) {
      const handle = createServeHandle(target, contract, { socketPath: assignment.serveSocket, clock });
      deployments.push(handle);
      return handle;
    },
    database: (file, schemas) => databases.open(file, [...schemas, shardsSchema, idempotencySchema]),
    token: host.token,
    engineStatus: host.engineStatus,
    desired,
    config: assignment.config[name],
  });

  linked(link);
  const pending = createPending(host);
  const services = await Promise.all(
    spec.services.map(async (name) => {
      pending.begin(name, `${name} is being created`);
      const service = await (await source(name))(contextOf(name));
      pending.end(name);
      return service;
    }),
  );
  const ownership = createOwnership({
    clock,
    log,
    topology,
    replicaId,
    claim: (service, shards) => createShardEpochs(databaseOf(service)).claim(service.contract.name, shards, replicaId),
  });
  const isListed = (id: string) => topology.current().replicas.some((replica) => replica.id === id);
  const calls: Dispatcher = new Dispatcher(services, spec, {
    clock,
    log,
    ownership,
    metrics: createCallMetrics(metrics, {
      inFlight: () => calls.inFlight,
      queued: () => calls.queued,
      streams: () => calls.openStreams,
    }),
    idempotency: ({ database: db }) =>
      db === undefined ? undefined : createIdempotencyStore({ db, clock, replicaId, isAlive: isListed }),
    self: callerOfOwnToken(assignment.token),
    ...(outbound === undefined ? {} : { outbound: outbound.services }),
  });
  dispatcher = calls;
  for (const service of services) calls.setNotReady(service.contract.name, "it is warming up");
  // A database that is down is shown, but takes nobody out of the topology: all replicas share it, and its error says more
  // than "no replica is ready".
  const server = createServer(
    { ...host, dispatcher: calls, isReady: () => isReady(calls, services) && databases.failure() === undefined },
    { ...spec, replicaId },
  );
  let config = assignment.config;

  async function prepare(service: Service): Promise<void> {
    const { name } = service.contract;
    const done = await initialise(service, stopping.signal, clock, log, (reason) => {
      calls.setNotReady(name, reason);
      pending.fail(name, reason);
    });
    if (!done) return;
    pending.end(name);
    calls.setNotReady(name, undefined);
    ownership.start(service);
    if (isReady(calls, services)) host.ready();
  }

  return {
    listen() {
      return listen(server, { bindAddress: assignment.bindAddress, port: spec.port });
    },
    async start() {
      await Promise.all(
        services.map(async (service) => {
          if (service.warmUp === undefined) return;
          const { name } = service.contract;
          pending.begin(name, `${name} is warming up`);
          await service.warmUp();
          pending.end(name);
        }),
      );
      for (const service of services) {
        const { name } = service.contract;
        if (service.initialise) {
          calls.setNotReady(name, "it is initialising");
          pending.begin(name, `${name} is initialising`);
        }
        void prepare(service);
      }
    },
    async reconfigure(next) {
      const previous = config;
      config = next;
      for (const service of services) {
        const { name } = service.contract;
        if (canonicalJson(previous[name] ?? null) === canonicalJson(next[name] ?? null)) continue;
        await service.reconfigure?.(next[name]);
        log.info({ service: name }, "took new configuration");
      }
    },
    drain() {
      stopping.abort();
      const ended = calls.drain();
      // Idle connections would be taken for room by their clients.
      server.closeIdleConnections();
      return ended;
    },
    abortAll: (reason: ServiceError) => calls.abortAll(reason),
    async close() {
      stopping.abort();
      ownership.close();
      const closed = await Promise.allSettled(services.map(async (service) => service.close?.()));
      for (const result of closed) {
        if (result.status === "rejected")
          log.error({ error: result.reason as unknown }, "a service did not close well");
      }
      server.close();
      server.closeAllConnections();
      await Promise.all([transport.close(), ...deployments.map((deployment) => deployment[Symbol.asyncDispose]())]);
      await databases.close();
    },
  };
}

function isReady(calls: Dispatcher, services: readonly Service[]): boolean {
  return !calls.draining && services.every((service) => calls.notReady(service.contract.name) === undefined);
}

function built(dispatcher: Dispatcher | undefined): Dispatcher {
  if (dispatcher === undefined) throw new TypeError("The services of this host are not built yet.");
  return dispatcher;
}

function databaseOf(service: Service) {
  if (service.database === undefined) {
    throw new TypeError(`${service.contract.name} has ${service.contract.state} state but gave no database for it.`);
  }
  return service.database;
}

/** Opens it when it is first needed: most hosts never write desired state. */
function lazily(open: () => Promise<DesiredState>): () => Promise<DesiredState> {
  let opened: Promise<DesiredState> | undefined;
  return () => {
    opened ??= open();
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
}

function tellingEngine(state: () => Promise<DesiredState>, changed: () => void): DesiredState {
  const telling = async <T>(change: (desired: DesiredState) => Promise<T>): Promise<T> => {
    const result = await change(await state());
    changed();
    return result;
  };
  return {
    list: async () => (await state()).list(),
    put: (spec, also) => telling((desired) => desired.put(spec, also)),
    remove: (host) => telling((desired) => desired.remove(host)),
    giveUp: (mine, former) => telling((desired) => desired.giveUp(mine, former)),
    startRollout: (host, toNext, plan, also) => telling((desired) => desired.startRollout(host, toNext, plan, also)),
    changeRollout: (host, how, also) => telling((desired) => desired.changeRollout(host, how, also)),
    scale: (host, replicas, also) => telling((desired) => desired.scale(host, replicas, also)),
    restart: (host, also) => telling((desired) => desired.restart(host, also)),
    rollBack: (host, also) => telling((desired) => desired.rollBack(host, also)),
  };
}
