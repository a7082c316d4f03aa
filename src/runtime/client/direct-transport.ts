/** Straight to the replicas of the topology. */
import { systemClock } from "#core/clock.ts";
import { systemRandom } from "#core/random.ts";
import { replicasOf, type TopologySource } from "../topology.ts";
import { createBalancer } from "./balancer.ts";
import { exchange } from "./exchange.ts";
import { createHttpTransport, type HttpTransportOptions } from "./http-transport.ts";
import { createPools, type Pools } from "./pools.ts";
import type { Transport } from "./transport.ts";

export interface DirectTransportOptions extends HttpTransportOptions {
  readonly topology: TopologySource;
}

/**
 * Each call goes to one replica: the owner for owned state, else the one of two with more room. While none is there it
 * waits for the topology to change, until the call's deadline.
 */
export function createDirectTransport(options: DirectTransportOptions): Transport {
  const { topology, clock = systemClock, random = systemRandom } = options;
  const pools = createPools(topology);
  return createHttpTransport({
    ...options,
    pools,
    balancer: createBalancer(topology, clock, random),
    watch: (listener) => topology.watch(listener),
    async isHealthy(contract) {
      const checks = replicasOf(topology.current(), contract.name).map((replica) => isReady(pools, replica.address));
      return (await Promise.all(checks)).includes(true);
    },
  });
}

const READY_TIMEOUT_MS = 2_000;

/** Whether a process answers its readiness check. Never throws. */
export async function isReady(pools: Pools, address: string): Promise<boolean> {
  try {
    const request = { method: "GET", path: "/-/ready", headers: {}, body: null };
    const { status } = await exchange(pools.of(address), request, AbortSignal.timeout(READY_TIMEOUT_MS));
    return status >= 200 && status < 300;
  } catch {
    return false;
  }
}
