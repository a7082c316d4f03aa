import type { Registry } from "prom-client";
import type { Clock } from "#core/clock.ts";
import type { Contract } from "#core/contract.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import type { Client } from "../client/client.ts";
import type { DesiredState } from "../engine/desired-state.ts";
import type { EngineStatus } from "../engine/engine.ts";
import type { Service } from "../service.ts";
import type { Database } from "../storage/database.ts";
import type { Schema } from "../storage/migration.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { TopologySource } from "../topology.ts";

/** What a host offers to the services it serves. A service takes from it what its `deps` ask for, nothing more. */
export interface ServiceContext {
  readonly namespace: string;
  readonly replicaId: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
  /** A typed client; calls to services of this host stay in it and obey the same contract. */
  client<C extends Contract>(contract: C): Client<C>;
  /**
   * A deployment of Ray Serve, such as a Python model, as a client of `contract`. Make it once: it keeps connections,
   * which the host closes. Outside of Ray its calls fail as UNSUPPORTED.
   * @param target `application`, or `application/deployment`
   * @throws ServiceError INVALID_INPUT for another form
   */
  serve<C extends Contract>(target: string, contract: C): Client<C>;
  /**
   * The organism's database ("seedcore") or a file of a service's own, migrated to the given schemas. One handle per
   * name and process; the host closes it.
   */
  database(name: string, schemas: readonly Schema[]): Promise<Database>;
  readonly topology: TopologySource;
  /** This host's own token, for the internal routes of other hosts. It is renewed: ask each time. */
  token(): string;
  /** What the engine last told this host about itself. */
  engineStatus(): EngineStatus;
  /** Changes what should run; the engine is told at once. */
  readonly desired: DesiredState;
  /** This service's live configuration at start; changes come through `reconfigure`. */
  readonly config: unknown;
}

/** Makes one service for one host process. Registered by name in `app/services.ts`. */
export type ServiceFactory = (context: ServiceContext) => Promise<Service>;
