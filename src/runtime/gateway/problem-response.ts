import type { ServerResponse } from "node:http";
import { type ServiceError, toProblem } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";

/** The headers that go with an error besides its problem document. */
export function problemHeaders(error: ServiceError, correlationId: string): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/problem+json; charset=utf-8",
    [HEADERS.correlation]: correlationId,
  };
  if (error.code === "UNAUTHENTICATED") headers["www-authenticate"] = "Bearer";
  if (error.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfterMs / 1_000));
  const allowed = error.code === "METHOD_NOT_ALLOWED" ? (error.data as { allowed?: string[] })?.allowed : undefined;
  if (allowed !== undefined) headers.allow = allowed.join(", ");
  return headers;
}

/** Answers with a problem; once the answer has begun, breaks it off, which is all that is left to tell the caller. */
export function sendProblem(response: ServerResponse, error: ServiceError, correlationId: string): void {
  if (response.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = JSON.stringify(toProblem(error, correlationId));
  response.writeHead(error.status, {
    ...problemHeaders(error, correlationId),
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}
