import type { IncomingMessage } from "node:http";
import { ServiceError } from "#core/service-error.ts";

/** Bodies up to this are kept until the answer begins, so that the request can be repeated. */
const MAX_KEPT_BYTES = 64 * 1024;

/** A body in hand, one that can be sent once, or none. */
export type RequestBody = Buffer | IncomingMessage | null;

/** @throws ServiceError TOO_LARGE as soon as the length says so, or as `take`'s argument */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  take: (body: RequestBody) => void,
  fail: (error: ServiceError) => void,
): void {
  const length = request.headers["content-length"];
  if (request.method === "GET" || request.method === "DELETE" || length === "0") {
    request.resume();
    return take(null);
  }
  // Of unknown length: the replica counts and refuses.
  if (length === undefined) return take(request.headers["transfer-encoding"] === undefined ? null : request);
  const sizeBytes = Number(length);
  if (sizeBytes > maxBytes) {
    return fail(new ServiceError("TOO_LARGE", `The body has ${sizeBytes} bytes; at most ${maxBytes} are taken.`));
  }
  if (sizeBytes > MAX_KEPT_BYTES) return take(request);
  let kept: Buffer | undefined;
  request.on("data", (piece: Buffer) => {
    kept = kept === undefined ? piece : Buffer.concat([kept, piece]);
  });
  // A caller that leaves before its body is whole is seen by the response's "close".
  request.on("end", () => take(kept ?? null));
}
