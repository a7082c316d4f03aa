/** What a host process puts on its port: services behind their routes, or the gateway. */
import type { Registry } from "prom-client";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { Verifier } from "../auth/verifier.ts";
import type { EngineStatus } from "../engine/engine.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { TopologySource } from "../topology.ts";
import type { HostAssignment } from "./control.ts";

/** What a process offers to what it runs. */
export interface HostContext {
  readonly assignment: HostAssignment;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly topology: TopologySource;
  readonly verifier: Verifier;
  /** This host's own token, renewed in time. */
  token(): string;
  engineStatus(): EngineStatus;
  /** Someone wrote desired state: the engine is told at once. */
  desiredChanged(): void;
  /** What must happen before it is ready for the first time. */
  waiting(what: string): void;
  /** Whether it takes calls, told at every change; a reason when it does not. */
  ready(): void;
  notReady(reason: string): void;
}

export interface Front {
  /** Listens and answers health. @returns the address that others reach it at */
  listen(): Promise<string>;
  /** Begins to work, once it listens. Rejects when it never will; readiness is told through the context. */
  start(): Promise<void>;
  /** New live configuration by service. */
  reconfigure(config: Readonly<Record<string, unknown>>): Promise<void>;
  /** Refuses new calls as DRAINING from now on; resolves when those in flight have ended. */
  drain(): Promise<void>;
  /** Ends what is still in flight. */
  abortAll(reason: ServiceError): void;
  /** Stops background work, then releases port and files. */
  close(): Promise<void>;
}

export type CreateFront = (context: HostContext) => Promise<Front>;
