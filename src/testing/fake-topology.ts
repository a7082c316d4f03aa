import type { Replica, Topology, TopologySource } from "#runtime/topology.ts";

/** A topology that a test changes by hand. */
export interface FakeTopology extends TopologySource {
  /** Makes these the replicas, as a settled list one version on, and tells the watchers. */
  set(replicas: readonly Replica[]): void;
  /** Makes this the topology, whatever it says, and tells the watchers. */
  offer(topology: Topology): void;
}

export function createFakeTopology(replicas: readonly Replica[] = []): FakeTopology {
  const listeners = new Set<(topology: Topology) => void>();
  let topology: Topology = { version: 1, epoch: "epoch-1", state: "settled", replicas };
  const offer = (next: Topology) => {
    topology = next;
    for (const listener of listeners) listener(topology);
  };
  return {
    current: () => topology,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set: (next) => offer({ ...topology, version: topology.version + 1, state: "settled", replicas: next }),
    offer,
  };
}

/** A replica of `service` at `address`, with weight 1 unless told otherwise. */
export function fakeReplica(id: string, service: string, address: string, weight = 1): Replica {
  return { id, host: service, version: "1", address, services: [service], weight };
}
