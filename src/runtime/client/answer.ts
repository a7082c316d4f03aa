/** What came back over HTTP: an answer, a problem, or a stream of events. */
import { fromProblem, ServiceError } from "#core/service-error.ts";
import type { Reply, StreamedReply } from "./exchange.ts";
import { SseParser } from "./sse-parser.ts";

/** The value of a successful reply, undefined for an empty one. @throws the ServiceError that the reply stands for */
export function toAnswer({ status, body }: Reply): unknown {
  if (status < 200 || status > 299) throw fromProblem(parseOr(body.toString(), undefined), status);
  if (body.length === 0) return undefined;
  const value = parseOr(body.toString(), NOT_JSON);
  if (value === NOT_JSON) throw new ServiceError("BAD_OUTPUT", `The answer (status ${status}) is not JSON.`);
  return value;
}

/** The error of a streaming call that was refused: a problem instead of events. */
export async function toFailure({ status, body }: StreamedReply): Promise<ServiceError> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  const problem = parseOr(Buffer.concat(pieces).toString(), undefined);
  return fromProblem(problem, status);
}

/** The values of `data` events; an `error` event ends the iteration with its error. */
export async function* toEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void> {
  const parser = new SseParser();
  for await (const piece of body) {
    for (const { type, data } of parser.push(piece)) {
      const value = parseOr(data, NOT_JSON);
      if (value === NOT_JSON) throw new ServiceError("BAD_OUTPUT", "An event of the stream is not JSON.");
      if (type === "error") throw fromProblem(value, statusOf(value));
      yield value;
    }
  }
}

const NOT_JSON = Symbol("not JSON");

function parseOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return otherwise;
  }
}

function statusOf(problem: unknown): number {
  const status = (problem as { status?: unknown } | null)?.status;
  return typeof status === "number" ? status : 500;
}
