/** The topology of one life of the control plane: its epoch is new, its version grows with every change. */
import { randomBytes } from "node:crypto";
import type { Replica, Topology, TopologySource } from "../../topology.ts";

export interface TopologyFeed extends TopologySource {
  /** Publishes the replicas when they, or the state, differ from the last. */
  publish(replicas: readonly Replica[], state: Topology["state"]): void;
}

export function createTopologyFeed(): TopologyFeed {
  const listeners = new Set<(topology: Topology) => void>();
  let topology: Topology = { version: 0, epoch: randomBytes(8).toString("hex"), state: "settling", replicas: [] };
  return {
    current: () => topology,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    publish(replicas, state) {
      const same = state === topology.state && JSON.stringify(replicas) === JSON.stringify(topology.replicas);
      if (same) return;
      topology = { ...topology, version: topology.version + 1, state, replicas };
      for (const listener of listeners) listener(topology);
    },
  };
}
