/**
 * Which shards this replica works for. The topology says who should own a shard, the same for everybody; the database
 * says, by epoch, who does. Invariants: a shard the topology takes away is given up at once; a gained one is open only
 * after it was claimed and its service has been told; with both, a write of a former owner is refused by its epoch.
 */
import type { Clock } from "#core/clock.ts";
import type { Service } from "../service.ts";
import type { Logger } from "../telemetry/logger.ts";
import { ownerOf, shardCountOf, type Topology, type TopologySource } from "../topology.ts";

export interface OwnershipDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly topology: TopologySource;
  readonly replicaId: string;
  /** Makes this replica the owner of the shards; their new epochs. */
  readonly claim: (service: Service, shards: readonly number[]) => Promise<ReadonlyMap<number, number>>;
}

export interface Ownership {
  epochOf(service: string, shard: number): number | undefined;
  /** Why shards of a service could not be taken over at the last try; undefined when nothing is in the way. */
  failure(service: string): string | undefined;
  refused(service: string, shard: number, epoch: number): void;
  /** Begins to own shards of `service`, now that it can work. */
  start(service: Service): void;
  /** Gives up nothing in the database: the next owner's claim does. */
  close(): void;
}

const RECLAIM_MS = 250;
const RETRY_MS = [100, 250, 500, 1_000, 2_000, 5_000];

export function createOwnership(deps: OwnershipDeps): Ownership {
  const owners = new Map<string, ServiceShards>();
  const stop = deps.topology.watch((topology) => {
    for (const shards of owners.values()) shards.follow(topology);
  });
  return {
    epochOf: (service, shard) => owners.get(service)?.open.get(shard),
    failure: (service) => owners.get(service)?.failure,
    refused: (service, shard, epoch) => owners.get(service)?.refused(shard, epoch),
    start(service) {
      if (shardCountOf(service.contract.state) === 0) return;
      const shards = new ServiceShards(deps, service);
      owners.set(service.contract.name, shards);
      shards.follow(deps.topology.current());
    },
    close() {
      stop();
      for (const shards of owners.values()) shards.close();
      owners.clear();
    },
  };
}

class ServiceShards {
  readonly #deps: OwnershipDeps;
  readonly #service: Service;
  /** Shards whose calls may run, with their epochs. */
  open: ReadonlyMap<number, number> = new Map();
  failure: string | undefined;
  /** Shards this replica should own. */
  #wanted: ReadonlySet<number> = new Set();
  /** What the service was last told. */
  #told: ReadonlyMap<number, number> = new Map();
  #busy = false;
  /** Something changed while it was busy. */
  #again = false;
  #failures = 0;
  #closed = false;
  #cancelRetry = () => {};

  constructor(deps: OwnershipDeps, service: Service) {
    this.#deps = deps;
    this.#service = service;
  }

  follow(topology: Topology): void {
    // A list that may be incomplete would move shards for nothing.
    if (topology.state === "settling") return;
    const { contract } = this.#service;
    const wanted = new Set<number>();
    for (let shard = 0; shard < shardCountOf(contract.state); shard++) {
      if (ownerOf(topology, contract, shard)?.id === this.#deps.replicaId) wanted.add(shard);
    }
    this.#wanted = wanted;
    this.#keep((shard) => wanted.has(shard));
    this.#reconcile();
  }

  refused(shard: number, epoch: number): void {
    if (this.open.get(shard) !== epoch) return;
    this.#keep((other) => other !== shard);
    // Most likely the topology that says why is on its way: a claim before it would take the shard from its new owner.
    this.#cancelRetry();
    this.#cancelRetry = this.#deps.clock.after(RECLAIM_MS, () => this.#reconcile());
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    this.open = new Map();
  }

  #keep(stays: (shard: number) => boolean): void {
    const kept = [...this.open].filter(([shard]) => stays(shard));
    if (kept.length < this.open.size) this.open = new Map(kept);
  }

  /** One at a time, until what is open is what is wanted and the service knows. */
  #reconcile(): void {
    if (this.#closed) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    this.#cancelRetry();
    this.#step().then(
      (changed) => {
        this.#busy = false;
        this.#failures = 0;
        this.failure = undefined;
        if (changed || this.#again) this.#reconcile();
      },
      (error: unknown) => {
        this.#busy = false;
        if (this.#closed) return;
        this.failure = error instanceof Error ? error.message : String(error);
        const retryMs = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] ?? 0;
        const service = this.#service.contract.name;
        this.#deps.log.warn({ service, error, retryMs }, "shards could not be taken over; trying again");
        this.#cancelRetry = this.#deps.clock.after(retryMs, () => this.#reconcile());
      },
    );
  }

  async #step(): Promise<boolean> {
    const gained = [...this.#wanted].filter((shard) => !this.open.has(shard));
    if (gained.length === 0 && sameShards(this.#told, this.open)) return false;
    const claimed = gained.length === 0 ? new Map<number, number>() : await this.#deps.claim(this.#service, gained);
    // The topology may have moved on meanwhile: only what is still wanted is opened.
    const next = new Map(this.open);
    for (const [shard, epoch] of claimed) if (this.#wanted.has(shard)) next.set(shard, epoch);
    await this.#service.owned?.(next);
    if (this.#closed) return false;
    this.#told = next;
    const lost = new Set([...next.keys()].filter((shard) => !this.#wanted.has(shard)));
    // A shard that was open and is not any more was lost or refused while the service was told.
    this.open = new Map(
      [...next].filter(([shard]) => !lost.has(shard) && (claimed.has(shard) || this.open.has(shard))),
    );
    if (gained.length > 0) {
      const service = this.#service.contract.name;
      this.#deps.log.info({ service, gained: gained.length, owned: this.open.size }, "took over shards");
    }
    return true;
  }
}

function sameShards(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [shard, epoch] of a) if (b.get(shard) !== epoch) return false;
  return true;
}
