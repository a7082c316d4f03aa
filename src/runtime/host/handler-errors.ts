import { isErrorCode } from "#core/error-codes.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { toFieldIssues } from "../validation.ts";
import type { Plan } from "./plan.ts";

/** "Not started" of another service's answer: said by an inner call about itself, not about the work around it. */
const OF_INNER_CALLS: ReadonlySet<string> = new Set(["OVERLOADED", "DRAINING", "NOT_READY", "UNAVAILABLE", "EXPIRED"]);

/**
 * What a handler threw, as its caller may see it: declared errors with checked data, codes of the common table as they
 * are, everything else INTERNAL with the original as its cause.
 */
export function fromHandler(plan: Plan, error: unknown): ServiceError {
  if (!isServiceError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return new ServiceError("INTERNAL", `${plan.name} failed: ${message}`, { cause: error });
  }
  const schema = Object.hasOwn(plan.procedure.errors, error.code) ? plan.procedure.errors[error.code] : undefined;
  if (schema !== undefined) {
    const data = schema.safeParse(error.data);
    if (data.success) return error;
    const issues = toFieldIssues(data.error);
    return new ServiceError("BAD_OUTPUT", `${plan.name} threw ${error.code} with data its contract does not declare.`, {
      data: { issues },
      cause: error,
    });
  }
  if (!isErrorCode(error.code)) {
    return new ServiceError("INTERNAL", `${plan.name} threw ${error.code}, which its contract does not declare.`, {
      cause: error,
    });
  }
  // A repeat of the whole would repeat what the handler did before the inner call was refused.
  if (error.notStarted && !plan.procedure.idempotent && OF_INNER_CALLS.has(error.code)) {
    return new ServiceError(error.code, error.message, {
      started: "maybe",
      cause: error,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    });
  }
  return error;
}

/** Whether an error is a defect of the service, to be logged with its cause. */
export function isDefect(error: ServiceError): boolean {
  return error.code === "INTERNAL" || error.code === "BAD_OUTPUT";
}
