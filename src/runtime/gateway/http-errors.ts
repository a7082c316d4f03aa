import { ServiceError, toServiceError } from "#core/service-error.ts";

/** An error of the HTTP layer (fastify's, Node's) as one of ours; everything else as `toServiceError` has it. */
export function fromHttpLayer(error: unknown): ServiceError {
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  if (error instanceof ServiceError || typeof code !== "string" || typeof statusCode !== "number") {
    return toServiceError(error);
  }
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new ServiceError("TOO_LARGE", "The body is larger than this host takes.", { cause: error });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new ServiceError("MALFORMED", "The body must be JSON, with the content type application/json.", {
        status: 415,
        cause: error,
      });
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return new ServiceError("MALFORMED", "The content type says JSON, but the body is empty.", { cause: error });
    default:
      if (statusCode < 400 || statusCode >= 500) return toServiceError(error);
      return new ServiceError("MALFORMED", String(message), { status: statusCode, cause: error });
  }
}
