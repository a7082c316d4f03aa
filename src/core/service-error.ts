import { ERROR_CODES, type ErrorCode, isErrorCode, type Started } from "./error-codes.ts";

export interface ServiceErrorOptions {
  /** Typed data of a declared error; field errors of INVALID_INPUT. Must be plain JSON. */
  readonly data?: unknown;
  readonly cause?: unknown;
  /** Overrides the table's word where the thrower knows better. */
  readonly started?: Started;
  readonly retryAfterMs?: number;
  /** Status of a declared error whose code is not in the table. Default 422. */
  readonly status?: number;
}

/** RFC 9457 problem document, the form in which a ServiceError travels. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly retryable: boolean;
  readonly started: Started;
  readonly todo?: string;
  readonly data?: unknown;
  readonly retryAfterMs?: number;
  readonly correlationId?: string;
}

/**
 * The one error that crosses a service boundary. `started` says whether the work behind the call had begun: when it is
 * `no`, repeating the call elsewhere is safe, whatever the call does.
 */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly started: Started;
  readonly data: unknown;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode | (string & {}), message: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const info = isErrorCode(code) ? ERROR_CODES[code] : undefined;
    this.code = code;
    this.status = options.status ?? info?.status ?? 422;
    this.retryable = info?.retryable ?? false;
    this.started = options.started ?? info?.started ?? "yes";
    this.data = options.data;
    this.retryAfterMs = options.retryAfterMs;
  }

  get notStarted(): boolean {
    return this.started === "no";
  }
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof ServiceError;
}

/** Any thrown value as a ServiceError; what is not one is a defect: INTERNAL with the original as its cause. */
export function toServiceError(error: unknown): ServiceError {
  if (isServiceError(error)) return error;
  return new ServiceError("INTERNAL", error instanceof Error ? error.message : String(error), { cause: error });
}

export function toProblem(error: ServiceError, correlationId?: string): Problem {
  const todo = isErrorCode(error.code) ? ERROR_CODES[error.code].todo : undefined;
  return {
    type: `urn:seedcore:error:${error.code}`,
    title: error.code.toLowerCase().replaceAll("_", " "),
    status: error.status,
    // A defect's text may hold internals: it stays in the log, found by the correlation id.
    detail: error.code === "INTERNAL" ? "The service failed unexpectedly." : error.message,
    code: error.code,
    retryable: error.retryable,
    started: error.started,
    ...(todo === undefined ? {} : { todo }),
    ...(error.data === undefined ? {} : { data: error.data }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(correlationId === undefined ? {} : { correlationId }),
  };
}

/** The error a received problem stands for. Tolerates foreign or partial documents: they become INTERNAL. */
export function fromProblem(problem: unknown, status: number): ServiceError {
  const p = (typeof problem === "object" && problem !== null ? problem : {}) as Partial<Problem>;
  if (typeof p.code !== "string") {
    return new ServiceError("INTERNAL", `The answer was ${status} without a problem document.`, { status });
  }
  return new ServiceError(p.code, typeof p.detail === "string" ? p.detail : p.code, {
    status,
    data: p.data,
    ...(p.started === "no" || p.started === "maybe" || p.started === "yes" ? { started: p.started } : {}),
    ...(typeof p.retryAfterMs === "number" ? { retryAfterMs: p.retryAfterMs } : {}),
  });
}
