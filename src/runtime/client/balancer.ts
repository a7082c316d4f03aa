/** Picks the replica of a call: the owner for owned state, the less loaded of two otherwise. */
import type { Clock } from "#core/clock.ts";
import type { Contract } from "#core/contract.ts";
import type { Random } from "#core/random.ts";
import { shardOf } from "#core/shard.ts";
import { ownerOf, type Replica, replicasOf, type Topology, type TopologySource } from "../topology.ts";

export interface Balancer {
  /**
   * The replica to ask. A sharded service is asked at the owner of `shardKey`, a single one at its owner, and `avoid`
   * does not change that; else one is drawn by weight, another among its equals (same version and weight), and the one
   * with more room is taken, avoiding those in `avoid` while others are left: so the shares of versions hold under any
   * load, and one that fails fast does not draw calls by being idle.
   * Undefined when no replica takes traffic.
   */
  pick(contract: Contract, shardKey: string | undefined, avoid: ReadonlySet<string>): Replica | undefined;
  /** Whether `pick` would find a replica outside `avoid`. */
  hasFresh(contract: Contract, shardKey: string | undefined, avoid: ReadonlySet<string>): boolean;
  /** Whether more than one replica may answer. */
  hasOther(contract: Contract, shardKey: string | undefined): boolean;
  /** A call to the replica begins. */
  begin(replica: Replica): void;
  /** It ended, whatever way; `load` is the answer's load header. */
  end(replica: Replica, load: string | undefined): void;
  /**
   * The replica said nothing, or could not be reached, while another answered. Until it answers a call it is picked only where no other is left,
   * but for one try after each 5 s.
   */
  silent(replica: Replica): void;
  close(): void;
}

interface Load {
  /** Calls of this process in flight. */
  own: number;
  /** Calls of others in flight, as of the last report. */
  others: number;
  limit: number;
  reportedAtMs: number;
}

/** A report says little about others' calls once it is older than most of them. */
const REPORT_VALID_MS = 5_000;
const DEFAULT_LIMIT = 256;
/** The engine takes a replica that does not answer out of the topology in about this time. */
const SILENT_MS = 5_000;

export function createBalancer(source: TopologySource, clock: Clock, random: Random): Balancer {
  const loads = new Map<string, Load>();
  /** Replicas that stayed silent, and when one is tried again. */
  const silentUntilMs = new Map<string, number>();
  let cachedFor: Topology | undefined;
  const candidates = new Map<string, readonly Replica[]>();

  const candidatesOf = (service: string): readonly Replica[] => {
    const topology = source.current();
    if (topology !== cachedFor) {
      candidates.clear();
      cachedFor = topology;
    }
    let found = candidates.get(service);
    if (found === undefined) {
      found = replicasOf(topology, service);
      candidates.set(service, found);
    }
    return found;
  };

  const loadOf = (replica: Replica): Load => {
    let load = loads.get(replica.id);
    if (load === undefined) {
      load = { own: 0, others: 0, limit: DEFAULT_LIMIT, reportedAtMs: Number.NEGATIVE_INFINITY };
      loads.set(replica.id, load);
    }
    return load;
  };

  const fullness = (replica: Replica): number => {
    const load = loadOf(replica);
    const others = clock.monotonic() - load.reportedAtMs < REPORT_VALID_MS ? load.others : 0;
    return (load.own + others) / load.limit;
  };

  const isSilent = ({ id }: Replica) => (silentUntilMs.get(id) ?? Number.NEGATIVE_INFINITY) > clock.monotonic();
  const hush = ({ id }: Replica) => void silentUntilMs.set(id, clock.monotonic() + SILENT_MS);

  const pickRoomier = (from: readonly Replica[]): Replica | undefined => {
    const first = drawByWeight(from, random);
    const second = first === undefined ? undefined : drawEqual(from, first, random);
    if (first === undefined || second === undefined) return first;
    return fullness(second) < fullness(first) ? second : first;
  };

  const stop = source.watch((topology) => {
    const present = new Set(topology.replicas.map((replica) => replica.id));
    for (const known of [loads, silentUntilMs]) for (const id of known.keys()) if (!present.has(id)) known.delete(id);
  });

  return {
    pick(contract, shardKey, avoid) {
      const shard = ownedShard(contract, shardKey);
      if (shard !== undefined) return ownerOf(source.current(), contract, shard);
      const all = candidatesOf(contract.name);
      const fresh = avoid.size === 0 ? all : all.filter((replica) => !avoid.has(replica.id));
      const open = fresh.length === 0 ? all : fresh;
      const heard = silentUntilMs.size === 0 ? open : open.filter((replica) => !isSilent(replica));
      const picked = pickRoomier(heard.length === 0 ? open : heard);
      if (picked !== undefined && silentUntilMs.has(picked.id)) hush(picked);
      return picked;
    },
    hasFresh(contract, shardKey, avoid) {
      return (
        ownedShard(contract, shardKey) === undefined &&
        candidatesOf(contract.name).some((replica) => !avoid.has(replica.id))
      );
    },
    hasOther: (contract, shardKey) =>
      ownedShard(contract, shardKey) === undefined && candidatesOf(contract.name).length > 1,
    begin(replica) {
      loadOf(replica).own++;
    },
    end(replica, header) {
      if (header !== undefined) silentUntilMs.delete(replica.id);
      // A replica that has left meanwhile is not remembered again.
      const load = loads.get(replica.id);
      if (load === undefined) return;
      const report = header === undefined ? undefined : parseLoad(header);
      if (report !== undefined) {
        // The report was made while this call was still in flight.
        load.others = Math.max(0, report.inFlight - load.own);
        load.limit = report.limit;
        load.reportedAtMs = clock.monotonic();
      }
      load.own = Math.max(0, load.own - 1);
    },
    silent(replica) {
      // One that has left meanwhile is not remembered.
      if (loads.has(replica.id)) hush(replica);
    },
    close: stop,
  };
}

/** The shard whose owner alone may answer; undefined where any replica may. */
function ownedShard(contract: Contract, shardKey: string | undefined): number | undefined {
  if (contract.state === "single") return 0;
  return contract.state === "sharded" && shardKey !== undefined ? shardOf(shardKey) : undefined;
}

function drawByWeight(from: readonly Replica[], random: Random): Replica | undefined {
  let total = 0;
  for (const replica of from) total += replica.weight;
  let left = random.next() * total;
  for (const replica of from) {
    left -= replica.weight;
    if (left < 0) return replica;
  }
  return from.at(-1);
}

/** Another one of the same version and weight. */
function drawEqual(from: readonly Replica[], first: Replica, random: Random): Replica | undefined {
  let equals = 0;
  for (const replica of from) if (isEqual(replica, first)) equals++;
  if (equals === 0) return undefined;
  let left = Math.floor(random.next() * equals);
  return from.find((replica) => isEqual(replica, first) && left-- === 0);
}

function isEqual(replica: Replica, first: Replica): boolean {
  return replica !== first && replica.weight === first.weight && replica.version === first.version;
}

/** `<in flight>/<limit>` */
function parseLoad(header: string): { inFlight: number; limit: number } | undefined {
  const slash = header.indexOf("/");
  const inFlight = Number(header.slice(0, slash));
  const limit = Number(header.slice(slash + 1));
  return slash > 0 && inFlight >= 0 && limit > 0 ? { inFlight, limit } : undefined;
}
