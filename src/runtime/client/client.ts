import type { z } from "zod";
import type { Contract, DeclaredError, InputOf, OutputOf, Procedure } from "#core/contract.ts";
import type { Result } from "#core/result.ts";
import type { Priority } from "../call.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Overrides the contract's deadline; inside another call never later than that call's own. */
  readonly deadlineMs?: number;
  readonly idempotencyKey?: string;
  readonly priority?: Priority;
}

/** A unary procedure: throws ServiceError; `.try` returns the errors its contract declares as values. */
export interface UnaryMethod<P> {
  (input: InputOf<P>, options?: CallOptions): Promise<OutputOf<P>>;
  try(input: InputOf<P>, options?: CallOptions): Promise<Result<OutputOf<P>, DeclaredError<P>>>;
}

/** A streaming procedure: events as they come; leaving the loop cancels the call. */
export type StreamMethod<P> = (input: InputOf<P>, options?: CallOptions) => AsyncIterable<OutputOf<P>>;

export type Client<C extends Contract> = {
  readonly [N in keyof C["procedures"]]: C["procedures"][N] extends Procedure<z.ZodObject, z.ZodType, infer _E, infer S>
    ? S extends true
      ? StreamMethod<C["procedures"][N]>
      : UnaryMethod<C["procedures"][N]>
    : never;
} & {
  /** Whether a replica of the service says it is ready. Never throws. */
  isHealthy(): Promise<boolean>;
};
