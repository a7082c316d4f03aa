import type { Topology, TopologySource } from "../topology.ts";

export interface TopologyHolder extends TopologySource {
  /** Takes a list, unless it is older than the present one or may be incomplete while a complete one is known. */
  set(topology: Topology): void;
}

export function createTopologyHolder(initial: Topology): TopologyHolder {
  const listeners = new Set<(topology: Topology) => void>();
  let topology = initial;
  return {
    current: () => topology,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(next) {
      if (next.epoch === topology.epoch && next.version <= topology.version) return;
      if (next.state === "settling" && topology.state === "settled") return;
      topology = next;
      for (const listener of listeners) listener(next);
    },
  };
}
