/** Coordinator, organism and state in this process, over a real database. */
import type { CompiledQuery } from "kysely";
import type { Registry } from "prom-client";
import { cognitive } from "#contracts/cognitive.ts";
import { coordinator } from "#contracts/coordinator.ts";
import { energy } from "#contracts/energy.ts";
import { organism } from "#contracts/organism.ts";
import { state } from "#contracts/state.ts";
import { type Clock, systemClock } from "#core/clock.ts";
import type { Contract } from "#core/contract.ts";
import { type Ids, systemIds } from "#core/ids.ts";
import { type Random, systemRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { createClient } from "#runtime/client/create-client.ts";
import type { Client } from "#runtime/client/client.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import type { ServiceContext } from "#runtime/host/service-context.ts";
import { createServeHandle } from "#runtime/ray/serve-handle.ts";
import type { Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createDatabases } from "#runtime/storage/databases.ts";
import { createShardEpochs } from "#runtime/storage/shard-epochs.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import { EMPTY_TOPOLOGY } from "#runtime/topology.ts";
import { create as createCognitive } from "#services/cognitive/factory.ts";
import { create as createCoordinator } from "#services/coordinator/factory.ts";
import { create as createEnergy } from "#services/energy/factory.ts";
import { create as createOrganism } from "#services/organism/factory.ts";
import { create as createState } from "#services/state/factory.ts";
import { createMemoryLogger, type MemoryLogger } from "#testing/memory-logger.ts";
import { memoryTransport } from "#testing/memory-transport.ts";
import type { Place } from "../temporary-place.ts";

export interface BoxOptions {
  readonly place: Place;
  readonly replicaId?: string;
  readonly clock?: Clock;
  readonly ids?: Ids;
  readonly random?: Random;
  readonly coordinator?: unknown;
  readonly organism?: unknown;
  readonly engineStatus?: () => EngineStatus;
  readonly desired?: DesiredState;
  /** Stands in the way of every write, to make it fail or wait. */
  readonly beforeWrite?: () => Promise<void> | void;
  /** Told of every write that was stored; may still make it fail for the writer, as a lost answer does. */
  readonly afterWrite?: (sql: string) => void;
  /** Replaces the organism, for tests that decide themselves how executions end. */
  readonly organismService?: Service;
  /** Services besides, for what the three ask of others. */
  readonly more?: readonly Service[];
}

export interface Box {
  readonly coordinator: Client<typeof coordinator>;
  readonly organism: Client<typeof organism>;
  readonly state: Client<typeof state>;
  readonly cognitive: Client<typeof cognitive>;
  readonly energy: Client<typeof energy>;
  readonly log: MemoryLogger;
  readonly metrics: Registry;
  readonly epoch: number;
  readonly database: Database;
  /** Ends without a goodbye, as a killed process does: what it still does is not stored. */
  crash(): void;
  /** Another replica has become the owner, and this one is told. */
  lose(): Promise<void>;
  close(): Promise<void>;
}

const NO_DESIRED_STATE: DesiredState = {
  list: async () => [],
  put: () => Promise.reject(new Error("This box has no engine.")),
  remove: () => Promise.reject(new Error("This box has no engine.")),
  giveUp: () => Promise.reject(new Error("This box has no engine.")),
  scale: (host) => Promise.reject(new ServiceError("NOT_FOUND", `There is no host "${host}".`)),
  startRollout: (name) => Promise.reject(new ServiceError("NOT_FOUND", `There is no host "${name}".`)),
  changeRollout: async () => undefined,
  restart: (host) => Promise.reject(new ServiceError("NOT_FOUND", `There is no host "${host}".`)),
  rollBack: (host) => Promise.reject(new ServiceError("NOT_FOUND", `There is no host "${host}".`)),
};

/** Starts the three services and makes this box the owner of the coordinator. */
export async function openBox(options: BoxOptions): Promise<Box> {
  const clock = options.clock ?? systemClock;
  const replicaId = options.replicaId ?? "core/0@1";
  const databases = createDatabases(options.place.url, systemClock, options.place.namespace);
  const log = createMemoryLogger();
  const services: Service[] = [];
  let isCrashed = false;
  let epoch = 0;

  const guarded = (database: Database): Database => ({
    dialect: database.dialect,
    read: (query) => database.read(query),
    async write(statements) {
      await options.beforeWrite?.();
      // A killed process neither writes nor hears of it.
      if (isCrashed) return new Promise(() => {});
      const results = await database.write(statements);
      options.afterWrite?.(
        statements
          .map((one) => ("query" in one && "sql" in one.query ? one.query.sql : (one as CompiledQuery).sql))
          .join(";"),
      );
      return results;
    },
    get statementCount() {
      return database.statementCount;
    },
    close: () => database.close(),
  });

  const client = <C extends Contract>(contract: C): Client<C> =>
    createClient(contract, { transport: memoryTransport(services, { epoch }), clock });
  // The transport is made when it is first used: by then the epoch is known and every service there.
  const lazily = <C extends Contract>(contract: C): Client<C> => {
    let made: Client<C> | undefined;
    return new Proxy({} as Client<C>, {
      get: (_target, name) => Reflect.get((made ??= client(contract)), name) as unknown,
    });
  };

  const metrics = createRegistry({});
  const context = (config: unknown): ServiceContext => ({
    namespace: "test",
    replicaId,
    clock,
    ids: options.ids ?? systemIds,
    random: options.random ?? systemRandom,
    log,
    metrics,
    client: lazily,
    serve: (target, contract) => createServeHandle(target, contract, { socketPath: undefined, clock }),
    database: async (name, schemas) => guarded(await databases.open(name, schemas)),
    topology: { current: () => EMPTY_TOPOLOGY, watch: () => () => {} },
    token: () => "",
    engineStatus: options.engineStatus ?? (() => ({ kind: "embedded", hosts: [] })),
    desired: options.desired ?? NO_DESIRED_STATE,
    config,
  });

  services.push(await createState(context({})), await createCognitive(context({})), await createEnergy(context({})));
  services.push(options.organismService ?? (await createOrganism(context(options.organism ?? {}))));
  services.push(...(options.more ?? []));
  const own = await createCoordinator(context(options.coordinator ?? {}));
  services.push(own);
  for (const service of services) await service.warmUp?.();
  const database = await databases.open("seedcore", []);
  epoch = (await createShardEpochs(database).claim("coordinator", [0], replicaId)).get(0) ?? 0;
  await own.owned?.(new Map([[0, epoch]]));

  return {
    coordinator: client(coordinator),
    organism: client(organism),
    state: client(state),
    cognitive: client(cognitive),
    energy: client(energy),
    log,
    metrics,
    epoch,
    database,
    crash() {
      isCrashed = true;
    },
    lose: async () => own.owned?.(new Map()),
    async close() {
      for (const service of services.toReversed()) if (!isCrashed) await service.close?.();
      await databases.close();
    },
  };
}
