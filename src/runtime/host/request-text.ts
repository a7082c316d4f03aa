import type { IncomingMessage } from "node:http";
import { ServiceError } from "#core/service-error.ts";

/**
 * Gives the whole body of a request to `take`, undefined when it has none. Nobody is told of a caller that leaves before
 * its body is whole.
 * @throws ServiceError MALFORMED with status 415 unless it is declared as JSON; TOO_LARGE as soon as its length says so,
 * otherwise as the argument of `fail`
 */
export function readText(
  request: IncomingMessage,
  maxBytes: number,
  take: (text: string | undefined) => void,
  fail: (error: ServiceError) => void,
): void {
  const { "content-length": length, "content-type": type, "transfer-encoding": encoding } = request.headers;
  const hasLength = length !== undefined || encoding !== undefined;
  if (type === undefined && (!hasLength || length === "0")) return take(undefined);
  if (type === undefined || !isJson(type)) {
    throw new ServiceError("MALFORMED", "The body must be JSON, with the content type application/json.", {
      status: 415,
    });
  }
  // The server ends such a request before anybody listens (`optimizeEmptyRequests`): no event will come.
  if (!hasLength) return take("");
  if (length !== undefined && Number(length) > maxBytes) throw tooLarge(maxBytes);
  const pieces: Buffer[] = [];
  let size = 0;
  request.on("data", (piece: Buffer) => {
    size += piece.length;
    if (size <= maxBytes) pieces.push(piece);
    else if (size - piece.length <= maxBytes) fail(tooLarge(maxBytes));
  });
  request.on("end", () => {
    if (size <= maxBytes) take((pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))?.toString());
  });
}

function isJson(contentType: string): boolean {
  return contentType === "application/json" || /^application\/json\s*(;|$)/i.test(contentType);
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError("TOO_LARGE", `The body is larger than the ${maxBytes} bytes this host takes.`);
}
