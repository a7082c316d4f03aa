import { Agent, request } from "undici";
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import type { FetchLoad, LoadReport } from "./services-sampler.ts";

const Loads = z.record(
  z.string(),
  z.object({
    requests: z.number(),
    errors: z.number(),
    latencySumMs: z.number(),
    waitedSumMs: z.number().optional(),
  }),
);

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
      return toReport(Load.parse(await answer.body.json()));
    },
    close: () => agent.destroy(),
  };
}

/** A host of the version before does not tell how long its service waited: as long as its calls took, one after another. */
function toReport({ services, outbound, residentBytes }: z.output<typeof Load>): LoadReport {
  const calledMs = Object.values(outbound).reduce((sum, { latencySumMs }) => sum + latencySumMs, 0);
  const complete = (loads: z.output<typeof Loads>, missing: number) =>
    Object.fromEntries(
      Object.entries(loads).map(([name, load]) => [name, { ...load, waitedSumMs: load.waitedSumMs ?? missing }]),
    );
  return { services: complete(services, calledMs), outbound: complete(outbound, 0), residentBytes };
}
