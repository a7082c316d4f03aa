import { Code, ConnectError } from "@connectrpc/connect";
import type { ErrorCode, Started } from "#core/error-codes.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { decodePickle } from "../pickle/decode-pickle.ts";
import { fromRefusal } from "./python-failure.ts";

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
  switch (cause.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return failed(
        "UNAUTHENTICATED",
        `Ray refused the token (${text}). Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.`,
        "no",
      );
    case Code.DeadlineExceeded:
      return failed("DEADLINE", `Ray did not answer in time: ${what}.`);
    case Code.ResourceExhausted:
      return failed("OVERLOADED", `Ray has no room for ${what}: ${text}.`);
    // The one code that gRPC itself never uses: Ray's exception is in the text, pickled.
    case Code.Aborted:
      return fromRefusal(decodePickle(Buffer.from(text, "base64")), what);
    default:
      return failed(
        started === "no" ? "UNAVAILABLE" : "CONNECTION_LOST",
        `Ray's connection broke at ${what}: ${text}.`,
      );
  }
}
