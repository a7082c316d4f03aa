/** What a client is told whose bytes could not be read as an HTTP request. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ServiceError, toProblem } from "#core/service-error.ts";

/** Time in which the client may read the answer before its connection is cut. */
const LINGER_MS = 2_000;

/** Node keeps the answer that is being written here; there is no public way to it. */
type HttpSocket = Duplex & {
  readonly _httpMessage?: { readonly headersSent: boolean } | null;
  setTimeout?(ms: number, then: () => void): unknown;
};

/** For a server's `clientError`: a problem document, unless an answer has begun, which is then broken off. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: HttpSocket): void {
  // Told already: whatever follows on this connection is read and dropped until it is cut.
  if (socket.writableEnded) return;
  if (error.code === "ECONNRESET" || !socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const refusal = toRefusal(error);
  const body = JSON.stringify(toProblem(refusal));
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ""}`,
    "content-type: application/problem+json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  // Cut at once, what it still sends would reset the connection before it has read the answer.
  socket.setTimeout?.(LINGER_MS, () => socket.destroy());
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  socket.resume();
}

function toRefusal(error: NodeJS.ErrnoException): ServiceError {
  if (error.code === "HPE_HEADER_OVERFLOW") {
    return new ServiceError("MALFORMED", "The address and the headers of the request are too long together.", {
      status: 431,
    });
  }
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new ServiceError("MALFORMED", "The request did not arrive whole in time.", { status: 408 });
  }
  return new ServiceError("MALFORMED", `This is no HTTP request: ${error.message}.`);
}
