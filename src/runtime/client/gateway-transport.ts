/** Through a gateway: for callers that cannot reach the replicas. */
import type { Replica } from "../topology.ts";
import type { Balancer } from "./balancer.ts";
import { exchange } from "./exchange.ts";
import { createHttpTransport, type HttpTransportOptions } from "./http-transport.ts";
import { createPools } from "./pools.ts";
import { readTopology } from "./topology-request.ts";
import type { Transport } from "./transport.ts";

export interface GatewayTransportOptions extends HttpTransportOptions {
  /** Base URL such as `http://127.0.0.1:7700`. */
  readonly url: string;
}

/** Every call goes to one address, which picks the replica; what it refuses is repeated as replicas' refusals are. */
export function createGatewayTransport(options: GatewayTransportOptions): Transport {
  const pools = createPools();
  const address = new URL(options.url).origin;
  return createHttpTransport({
    ...options,
    pools,
    balancer: onlyReplica({ id: "gateway", host: "gateway", version: "", address, services: [], weight: 1 }),
    watch: () => () => {},
    async isHealthy(contract) {
      try {
        const send = (path: string, headers: Record<string, string>) =>
          exchange(pools.of(address), { method: "GET", path, headers, body: null }, AbortSignal.timeout(2_000));
        const { replicas } = await readTopology(send, options.token(), undefined);
        return replicas.some((replica) => replica.services.includes(contract.name));
      } catch {
        return false;
      }
    },
  });
}

function onlyReplica(replica: Replica): Balancer {
  return {
    pick: () => replica,
    hasFresh: () => false,
    hasOther: () => false,
    begin() {},
    end() {},
    silent() {},
    close() {},
  };
}
