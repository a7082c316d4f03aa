/** How many calls a replica has answered, and how many of them failed by its fault, read from its metrics. */
import { Agent, get } from "node:http";
import { ERROR_CODES, isErrorCode } from "#core/error-codes.ts";
import type { Figures } from "./rollout.ts";

export interface FigureReader {
  /** Counts since the replica started; undefined when it does not answer in time. */
  read(address: string, token: string): Promise<Figures | undefined>;
  close(): void;
}

const TIMEOUT_MS = 900;
/** Longer than any host's metrics. */
const MAX_LENGTH = 4 * 1024 * 1024;

export function createFigureReader(): FigureReader {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    read: (address, token) =>
      new Promise((resolve) => {
        const options = {
          agent,
          signal: AbortSignal.timeout(TIMEOUT_MS),
          headers: { authorization: `Bearer ${token}` },
        };
        const request = get(`${address}/-/metrics`, options, (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            text += part;
            if (text.length > MAX_LENGTH) request.destroy();
          });
          response.on("error", () => resolve(undefined));
          response.on("end", () => resolve(response.statusCode === 200 ? parseFigures(text) : undefined));
        });
        request.on("error", () => resolve(undefined));
      }),
    close: () => agent.destroy(),
  };
}

/** Sums `seedcore_calls_total` of a Prometheus text. */
export function parseFigures(text: string): Figures {
  let calls = 0;
  let errors = 0;
  for (const line of text.split("\n")) {
    if (!line.startsWith("seedcore_calls_total{")) continue;
    const count = Number(line.slice(line.lastIndexOf(" ")));
    const code = /[{,]code="([^"]*)"/.exec(line)?.[1] ?? "";
    if (!Number.isFinite(count)) continue;
    calls += count;
    if (isFault(code)) errors += count;
  }
  return { calls, errors };
}

/** Refusals that every rollout brings: a replica that goes, a shard that has moved, a service that warms up. */
const ROUTINE: ReadonlySet<string> = new Set(["DRAINING", "NOT_OWNER", "NOT_READY"]);

/** An answer of the 5xx kind. What callers do wrong, and the errors a contract declares, say nothing about a version. */
function isFault(code: string): boolean {
  return isErrorCode(code) && ERROR_CODES[code].status >= 500 && !ROUTINE.has(code);
}
