/** Server-sent events: one JSON value each, with back-pressure, heartbeats and a problem at a bad end. */
import type { ServerResponse } from "node:http";
import { type ServiceError, toProblem, toServiceError } from "#core/service-error.ts";
import type { Clock } from "#core/clock.ts";
import { drained } from "../http/drained.ts";

/** Proxies and clients take a silent connection for a dead one; a comment line says otherwise. */
const HEARTBEAT_MS = 15_000;

/** How long a stream may fail as an ordinary problem document before its answer begins. */
const GRACE_MS = 200;

export interface EventStreamOptions {
  readonly clock: Clock;
  readonly headers: Readonly<Record<string, string>>;
  readonly correlationId: string;
}

/**
 * Writes the events to the response. The next event is asked for only when the connection has room for it.
 * @throws ServiceError when the stream fails before anything was written; later failures travel as `event: error`.
 */
export async function writeEventStream(
  response: ServerResponse,
  events: AsyncIterator<unknown>,
  { clock, headers, correlationId }: EventStreamOptions,
): Promise<void> {
  let began = false;
  const begin = () => {
    if (began) return;
    began = true;
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    response.write(":\n\n");
  };
  let stopTimer = clock.after(GRACE_MS, beat);
  function beat(): void {
    if (response.destroyed) return;
    if (began && response.writableLength === 0) response.write(":\n\n");
    begin();
    stopTimer = clock.after(HEARTBEAT_MS, beat);
  }
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      if (response.destroyed) return;
      begin();
      if (!response.write(`data: ${JSON.stringify(next.value)}\n\n`)) await drained(response);
    }
    begin();
  } catch (error) {
    const failure: ServiceError = toServiceError(error);
    if (!began) throw failure;
    // Nobody is there to be told when it was the caller who left.
    if (!response.destroyed)
      response.write(`event: error\ndata: ${JSON.stringify(toProblem(failure, correlationId))}\n\n`);
  } finally {
    stopTimer();
    await events.return?.();
  }
  if (!response.destroyed) response.end();
}
