/** Asks a host whether it lives, on the path its own work takes. */
import { Agent, get } from "node:http";

/** Resolves with whether `GET <address>/-/health` answered 2xx within `timeoutMs`. Never rejects. */
export type Probe = (address: string, timeoutMs: number) => Promise<boolean>;

export function createProbe(): { probe: Probe; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    probe: (address, timeoutMs) =>
      new Promise((resolve) => {
        const signal = AbortSignal.timeout(timeoutMs);
        const request = get(`${address}/-/health`, { agent, signal }, (response) => {
          response.resume();
          response.on("end", () => resolve((response.statusCode ?? 500) < 300));
          response.on("error", () => resolve(false));
        });
        request.on("error", () => resolve(false));
      }),
    close: () => agent.destroy(),
  };
}
