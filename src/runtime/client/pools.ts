import type { Pool } from "undici";
import UndiciPool from "undici/lib/dispatcher/pool.js";
import type { TopologySource } from "../topology.ts";

/** Connections by address, opened on demand and kept alive. */
export interface Pools {
  of(address: string): Pool;
  /**
   * A connection of `pool` broke under a call. Most likely its process was killed, and the others are as dead without
   * anybody having noticed: calls from now on open new ones, or learn at once that nobody listens. Those under way on
   * the old ones go on.
   */
  lost(address: string, pool: Pool): void;
  /** Breaks every connection; calls in flight end with CONNECTION_LOST. */
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 3_000;

/** With a topology, the pool of an address that left it is closed once its calls have ended. */
export function createPools(topology?: TopologySource): Pools {
  const pools = new Map<string, Pool>();
  /** Closed once its calls have ended. */
  const retire = (address: string, pool: Pool) => {
    pools.delete(address);
    void pool.close();
  };
  const stop = topology?.watch(({ replicas }) => {
    const present = new Set(replicas.map((replica) => replica.address));
    for (const [address, pool] of pools) {
      if (!present.has(address)) retire(address, pool);
    }
  });
  return {
    of(address) {
      let pool = pools.get(address);
      if (pool === undefined) {
        // Deadlines are the caller's: undici's own time-outs would cut long polls and quiet streams.
        pool = new UndiciPool(address, { headersTimeout: 0, bodyTimeout: 0, connect: { timeout: CONNECT_TIMEOUT_MS } });
        pools.set(address, pool);
      }
      return pool;
    },
    lost(address, pool) {
      // Another call over the same connections may have been the first to tell.
      if (pools.get(address) === pool) retire(address, pool);
    },
    async close() {
      stop?.();
      const open = [...pools.values()];
      pools.clear();
      await Promise.all(open.map((pool) => pool.destroy()));
    },
  };
}
