import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode, Started } from "#core/error-codes.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { fromRefusalPickle } from "./wire-pickle.ts";

/**
 * Ray sends its exceptions pickled, in the text of ABORTED. The transport gives the same code to a connection that was reset,
 * with Node's words for it, which do not begin so.
 */
const PICKLE_BEGINS = 0x80;

/** How the end of a session's stream reads to those who wait on it. */
export function fromStreamError(error: unknown): ServiceError {
  return fromWireError(error, "the session", "maybe");
}

/**
 * A failure of the connection, in our words.
 * @param what names the call: "reading the key x".
 * @param started what is known of the work behind it, where the failure itself does not say.
 */
export function fromWireError(error: unknown, what: string, started: Started): ServiceError {
  if (isServiceError(error)) return error;
  const cause = ConnectError.from(error);
  // The transport wraps what our own signal carried.
  if (isServiceError(cause.cause)) return cause.cause;
  const failed = (code: ErrorCode, message: string, certainly: Started = started) =>
    new ServiceError(code, message, { cause, started: certainly });
  const text = cause.rawMessage;
  const exception = cause.code === Code.Aborted ? Buffer.from(text, "base64") : undefined;
  if (exception?.[0] === PICKLE_BEGINS) return fromRefusalPickle(what, exception);
  switch (cause.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return failed(
        "UNAUTHENTICATED",
        `Ray refused the token (${text}). Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.`,
        "no",
      );
    case Code.Unimplemented:
      return failed(
        "UNSUPPORTED",
        "What answers there is not Ray's client server. That listens on port 10001 unless `ray start` was told another; GCS, on 6379, is not it.",
        "no",
      );
    case Code.DeadlineExceeded:
      return failed("DEADLINE", `Ray did not answer in time: ${what}.`);
    case Code.ResourceExhausted:
      return failed("OVERLOADED", `Ray has no room for ${what}: ${text}.`);
    default:
      return failed(
        started === "no" ? "UNAVAILABLE" : "CONNECTION_LOST",
        `Ray's connection broke at ${what}: ${text}.`,
      );
  }
}
