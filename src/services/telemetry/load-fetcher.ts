import { Agent, request } from "undici";
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import type { FetchLoad } from "./services-sampler.ts";

const Loads = z.record(z.string(), z.object({ requests: z.number(), errors: z.number(), latencySumMs: z.number() }));

const Load = z.object({
  services: Loads,
  // A host of the version before does not tell them.
  outbound: Loads.default({}),
  residentBytes: z.number().default(0),
});

/** Below the sampling interval, so that a replica that hangs does not hold up the others' samples. */
const TIMEOUT_MS = 800;

/** Asks replicas for `GET /-/load`, over connections of its own, with this host's token. */
export function createLoadFetcher(token: () => string): {
  readonly fetchLoad: FetchLoad;
  readonly close: () => Promise<void>;
} {
  const agent = new Agent({ connections: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  return {
    async fetchLoad(replica) {
      const answer = await request(`${replica.address}/-/load`, {
        dispatcher: agent,
        headers: { authorization: `Bearer ${token()}` },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw new ServiceError("UNAVAILABLE", `${replica.id} answered ${answer.statusCode} to GET /-/load.`);
      }
      return Load.parse(await answer.body.json());
    },
    close: () => agent.destroy(),
  };
}
