/** The organism's own services, as their callers see them: requests and errors per second, mean latency, and memory. */
import type { Clock } from "#core/clock.ts";
import type { Replica, TopologySource } from "#runtime/topology.ts";
import type { CallSample } from "./call-history.ts";
import type { Sample, Sampler } from "./sampled-source.ts";

/** Counters of one service in one replica since that replica started, without the calls of the organism's own services. */
export interface ServiceLoad {
  readonly requests: number;
  readonly errors: number;
  readonly latencySumMs: number;
  /** Of that, in which calls of its own were under way. */
  readonly waitedSumMs: number;
}

export type Loads = Readonly<Record<string, ServiceLoad>>;

export interface LoadReport {
  readonly services: Loads;
  /** Calls that its services made, by the service called; of a person's own hosts alone. */
  readonly outbound: Loads;
  readonly residentBytes: number;
}

/** Asks one replica. Rejects when it cannot be reached in time. */
export type FetchLoad = (replica: Replica) => Promise<LoadReport>;

/** Changes that matter to a person: calls per second, errors per second, milliseconds, megabytes. */
const MINIMUM_CHANGE = { requests: 20, errors: 1, latency: 250, memory: 64 };
/** Of a person's own services: they are what is watched over. */
const OWN_MINIMUM_CHANGE = { requests: 5, errors: 0.5, latency: 5, memory: 64 };

interface Look {
  readonly atMs: number;
  readonly report: LoadReport;
}

export interface ServicesSamplerDeps {
  readonly clock: Clock;
  readonly topology: TopologySource;
  readonly fetchLoad: FetchLoad;
  /** Whether a service is a person's own. */
  readonly isOwn: (service: string) => boolean;
  readonly record: (sample: CallSample) => void;
  /** Told how much memory each replica has by its own word, by its id. */
  readonly keepMemory: (residentBytes: ReadonlyMap<string, number>) => void;
}

/**
 * Series `<service>/requests` and `<service>/errors` each interval, `<service>/latency` when there were calls, and
 * `<service>/memory`, the resident megabytes of the largest replica, for a person's own. A service counts at the replicas
 * that serve it, so what a gateway forwards is not counted twice.
 */
export function createServicesSampler({
  clock,
  topology,
  fetchLoad,
  isOwn,
  record,
  keepMemory,
}: ServicesSamplerDeps): Sampler {
  let looks = new Map<string, Look>();

  return async () => {
    const { replicas } = topology.current();
    const now = new Map<string, Look>();
    const sums = new Map<string, ServiceLoad>();
    const edges = new Map<string, Map<string, ServiceLoad>>();
    const memoryMb = new Map<string, number>();
    await Promise.all(
      replicas.map(async (replica) => {
        const before = looks.get(replica.id);
        const report = await fetchLoad(replica).catch(() => undefined);
        if (report === undefined) {
          // The next look then spans both intervals: nothing is lost, nothing is guessed.
          if (before !== undefined) now.set(replica.id, before);
          return;
        }
        const look = { atMs: clock.monotonic(), report };
        now.set(replica.id, look);
        for (const service of replica.services) {
          if (!isOwn(service)) continue;
          memoryMb.set(service, Math.max(memoryMb.get(service) ?? 0, Math.round(report.residentBytes / 1e5) / 10));
        }
        const seconds = before === undefined ? 0 : (look.atMs - before.atMs) / 1_000;
        if (before === undefined || seconds <= 0) return;
        for (const service of replica.services)
          addRate(sums, service, before.report.services, report.services, seconds);
        // One host of a person's own serves one service: what the host calls, that service calls.
        const [caller] = replica.services;
        if (caller === undefined) return;
        const callees = edges.get(caller) ?? new Map<string, ServiceLoad>();
        for (const to of Object.keys(report.outbound))
          addRate(callees, to, before.report.outbound, report.outbound, seconds);
        if (callees.size > 0) edges.set(caller, callees);
      }),
    );
    looks = now;
    keepMemory(new Map([...now].map(([id, { report }]) => [id, report.residentBytes])));
    record({ atMs: clock.now(), services: sums, edges, memoryMb });
    const names = [...new Set([...sums.keys(), ...memoryMb.keys()])].sort();
    return names.flatMap((service) => toSamples(service, sums.get(service), memoryMb.get(service), isOwn(service)));
  };
}

function addRate(sums: Map<string, ServiceLoad>, name: string, before: Loads, now: Loads, seconds: number): void {
  const load = now[name];
  if (load === undefined) return;
  const earlier = before[name];
  const sum = sums.get(name) ?? { requests: 0, errors: 0, latencySumMs: 0, waitedSumMs: 0 };
  // A counter that went back was reset: what came before the reset is unknown, so it counts as nothing. One that is new
  // began at nothing.
  const since = (field: keyof ServiceLoad) => Math.max(0, load[field] - (earlier?.[field] ?? 0)) / seconds;
  sums.set(name, {
    requests: sum.requests + since("requests"),
    errors: sum.errors + since("errors"),
    latencySumMs: sum.latencySumMs + since("latencySumMs"),
    waitedSumMs: sum.waitedSumMs + since("waitedSumMs"),
  });
}

function toSamples(
  service: string,
  load: ServiceLoad | undefined,
  memoryMb: number | undefined,
  isOwn: boolean,
): Sample[] {
  const least = isOwn ? OWN_MINIMUM_CHANGE : MINIMUM_CHANGE;
  const sample = (name: keyof typeof MINIMUM_CHANGE, value: number): Sample => ({
    series: `${service}/${name}`,
    value: Math.round(value * 1_000) / 1_000,
    minimumChange: least[name],
    accumulates: name === "memory",
  });
  const samples: Sample[] = [];
  if (load !== undefined) {
    samples.push(sample("requests", load.requests), sample("errors", load.errors));
    if (load.requests > 0) samples.push(sample("latency", load.latencySumMs / load.requests));
  }
  if (memoryMb !== undefined) samples.push(sample("memory", memoryMb));
  return samples;
}
