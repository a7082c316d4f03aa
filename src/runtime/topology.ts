/** The live list of replicas. It changes on membership only: loads travel on answers. */
import { SHARD_COUNT } from "#core/shard.ts";
import type { Contract, StateKind } from "#core/contract.ts";

export interface Replica {
  /** `<host spec>/<slot>@<incarnation>`, unique for ever. */
  readonly id: string;
  /** Name of the host spec. */
  readonly host: string;
  /** Version of the code it runs. */
  readonly version: string;
  /** `http://127.0.0.1:41234` */
  readonly address: string;
  readonly services: readonly string[];
  /** Share of traffic relative to others of the same service; 0 takes none. */
  readonly weight: number;
}

export interface Topology {
  /** Grows with every change within one `epoch`. */
  readonly version: number;
  /** New for every life of the control plane; an answer with another epoch replaces what is known, whatever its version. */
  readonly epoch: string;
  /** While settling the list may be incomplete: clients keep what they have. */
  readonly state: "settling" | "settled";
  /** Replicas that are ready and not draining. */
  readonly replicas: readonly Replica[];
}

export interface TopologySource {
  current(): Topology;
  /** Calls `listener` after every change, not at once. Returns how to stop. */
  watch(listener: (topology: Topology) => void): () => void;
}

export const EMPTY_TOPOLOGY: Topology = { version: 0, epoch: "", state: "settling", replicas: [] };

/** How many shards a service's state has: all for sharded, one for single, none otherwise. */
export function shardCountOf(state: StateKind): number {
  return state === "sharded" ? SHARD_COUNT : state === "single" ? 1 : 0;
}

export function replicasOf(topology: Topology, service: string): readonly Replica[] {
  return topology.replicas.filter((replica) => replica.weight > 0 && replica.services.includes(service));
}

/**
 * The replica that owns a shard, by weighted rendezvous hashing (highest −weight/ln(u), Schindelhauer and Schomaker 2005):
 * every process with the same topology picks the same owner, a replica owns a share proportional to its weight, and a
 * change moves only shards from those that lost weight to those that won.
 */
export function ownerOf(topology: Topology, contract: Pick<Contract, "name">, shard: number): Replica | undefined {
  let best: Replica | undefined;
  let bestScore = -1;
  for (const replica of replicasOf(topology, contract.name)) {
    const score = -replica.weight / Math.log(mix(`${contract.name}/${shard}/${replica.id}`));
    if (score > bestScore) {
      best = replica;
      bestScore = score;
    }
  }
  return best;
}

/** FNV-1a with a final avalanche, as a number in (0, 1). */
function mix(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 4_294_967_296;
}
