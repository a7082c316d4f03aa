import type { IncomingMessage, ServerResponse } from "node:http";
import { type ServiceError, toProblem } from "#core/service-error.ts";
import { HEADERS } from "../call.ts";

/** How long who sends a body that nobody wants may go on. */
const LINGER_MS = 2_000;

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

/**
 * Answers with a problem; once the answer has begun, breaks it off, which is all that is left to tell the caller. What is
 * left of the request's body is passed over, and its connection closed.
 */
export function sendProblem(
  response: ServerResponse,
  error: ServiceError,
  correlationId: string,
  also: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = toBody(error, correlationId);
  const headers: Record<string, string> = { ...problemHeaders(error, correlationId), ...also };
  headers["content-length"] = String(Buffer.byteLength(body));
  const { req } = response;
  const isUnread = hasUnreadBody(req);
  if (isUnread) headers.connection = "close";
  response.writeHead(error.status, headers);
  if (isUnread) endAfterBody(response, body);
  else response.end(body);
  req.resume();
}

/** The answer is there at once; its end closes the connection, which would reset it under who still sends. */
function endAfterBody(response: ServerResponse, body: string): void {
  const { req } = response;
  response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req.once("end", end).once("close", end);
}

/** Without the error's data where they are no JSON: a handler may have thrown anything. */
function toBody(error: ServiceError, correlationId: string): string {
  const problem = toProblem(error, correlationId);
  try {
    return JSON.stringify(problem);
  } catch {
    return JSON.stringify({ ...problem, data: undefined });
  }
}

/** Then the connection cannot go on: what is left of the body would be taken for the next request. */
function hasUnreadBody({ complete, headers }: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  return !complete && ((length !== undefined && length !== "0") || encoding !== undefined);
}
