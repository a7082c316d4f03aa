/** What a service is to a host: its contract, one handler per procedure, and its life cycle. */
import type { CompiledQuery } from "kysely";
import type { Contract, ErrorsOf, ParsedInputOf, Procedure, ReturnedOf } from "#core/contract.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { z } from "zod";
import type { Call } from "./call.ts";
import type { Database } from "./storage/database.ts";

export interface HandlerContext<P = Procedure> extends Call {
  /**
   * Makes a declared error of this procedure, to be thrown.
   * @example throw fail("UNKNOWN_SERIES", { name }, `There is no series "${name}".`)
   */
  fail<C extends keyof ErrorsOf<P> & string>(
    this: void,
    code: C,
    data: z.input<ErrorsOf<P>[C]>,
    message?: string,
  ): ServiceError;
  /**
   * For a call with an `Idempotency-Key`: the statement that stores `answer` under it. A handler that writes puts it
   * into its own transaction, so that the effect and the answer are stored together. Undefined without a key.
   */
  readonly storeAnswer: ((answer: ReturnedOf<P>) => CompiledQuery) | undefined;
  /** Epoch of the shard this call is for; 0 for services without owned state. Writes are conditional on it. */
  readonly epoch: number;
  readonly shard: number;
  /**
   * Waits for something because the caller asked to, as a long poll does. This time says nothing about the service: it
   * is left out of its latency.
   */
  standBy<T>(this: void, until: Promise<T>): Promise<T>;
}

export type Handler<P> =
  P extends Procedure<z.ZodObject, z.ZodType, infer _E, infer S>
    ? S extends true
      ? (input: ParsedInputOf<P>, context: HandlerContext<P>) => AsyncIterable<ReturnedOf<P>>
      : (input: ParsedInputOf<P>, context: HandlerContext<P>) => Promise<ReturnedOf<P>>
    : never;

export type Handlers<C extends Contract> = { readonly [N in keyof C["procedures"]]: Handler<C["procedures"][N]> };

/** Shards (for a `single` service: shard 0) with the epoch under which this process may write. */
export type OwnedShards = ReadonlyMap<number, number>;

export interface ServiceLife {
  /** Runs before the host reports ready: load models, fill caches. A failure fails the host's start. */
  warmUp?(): Promise<void>;
  /**
   * Runs beside the service once its host listens; until it resolves, the service's calls are refused as NOT_READY and
   * the host is not ready, but alive. A failure is logged and tried again with backoff.
   */
  initialise?(signal: AbortSignal): Promise<void>;
  /** Called with all shards owned from now on, before any call for a gained shard arrives. */
  owned?(shards: OwnedShards): Promise<void>;
  /** New live configuration, already validated by the caller. */
  reconfigure?(config: unknown): Promise<void>;
  /** Stops background work and finishes writes; calls have ended by then. */
  close?(): Promise<void>;
  /** Where this service's idempotency keys and shard epochs live. Needed by services with state. */
  readonly database?: Database;
}

export interface Service<C extends Contract = Contract> extends ServiceLife {
  readonly contract: C;
  readonly handlers: Handlers<C>;
}

/** Joins a contract with its handlers; the compiler checks that every procedure has one of the right type. */
export function implement<C extends Contract>(contract: C, handlers: Handlers<C>, life: ServiceLife = {}): Service<C> {
  return { contract, handlers, ...life };
}
