/** The organism's own services, as its callers see them: requests and errors per second, mean latency. */
import type { Clock } from "#core/clock.ts";
import type { Replica, TopologySource } from "#runtime/topology.ts";
import type { Sample, Sampler } from "./sampled-source.ts";

/** Counters of one service in one replica since that replica started, without the calls of services. */
export interface ServiceLoad {
  readonly requests: number;
  readonly errors: number;
  readonly latencySumMs: number;
}

export type LoadReport = Readonly<Record<string, ServiceLoad>>;

/** Asks one replica. Rejects when it cannot be reached in time. */
export type FetchLoad = (replica: Replica) => Promise<LoadReport>;

/** Changes that matter to a person: calls per second, errors per second, milliseconds. */
const MINIMUM_CHANGE = { requests: 20, errors: 1, latency: 250 };

interface Look {
  readonly atMs: number;
  readonly report: LoadReport;
}

export interface ServicesSamplerDeps {
  readonly clock: Clock;
  readonly topology: TopologySource;
  readonly fetchLoad: FetchLoad;
}

/**
 * Series `<service>/requests` and `<service>/errors` each interval, `<service>/latency` when there were calls. A service
 * counts at the replicas that serve it, so what a gateway forwards is not counted twice.
 */
export function createServicesSampler({ clock, topology, fetchLoad }: ServicesSamplerDeps): Sampler {
  let looks = new Map<string, Look>();

  return async () => {
    const { replicas } = topology.current();
    const now = new Map<string, Look>();
    const sums = new Map<string, ServiceLoad>();
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
        if (before !== undefined) addRates(sums, replica.services, before, look);
      }),
    );
    looks = now;
    return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([service, load]) => toSamples(service, load));
  };
}

function addRates(sums: Map<string, ServiceLoad>, services: readonly string[], before: Look, now: Look): void {
  const seconds = (now.atMs - before.atMs) / 1_000;
  if (seconds <= 0) return;
  for (const service of services) {
    const load = now.report[service];
    if (load === undefined) continue;
    const earlier = before.report[service];
    const sum = sums.get(service) ?? { requests: 0, errors: 0, latencySumMs: 0 };
    // A counter that went back was reset: what came before the reset is unknown, so it counts as nothing.
    const since = (name: keyof ServiceLoad) => Math.max(0, load[name] - (earlier?.[name] ?? load[name])) / seconds;
    sums.set(service, {
      requests: sum.requests + since("requests"),
      errors: sum.errors + since("errors"),
      latencySumMs: sum.latencySumMs + since("latencySumMs"),
    });
  }
}

function toSamples(service: string, { requests, errors, latencySumMs }: ServiceLoad): Sample[] {
  const sample = (name: keyof typeof MINIMUM_CHANGE, value: number): Sample => ({
    series: `${service}/${name}`,
    value: Math.round(value * 1_000) / 1_000,
    minimumChange: MINIMUM_CHANGE[name],
  });
  const samples = [sample("requests", requests), sample("errors", errors)];
  if (requests > 0) samples.push(sample("latency", latencySumMs / requests));
  return samples;
}
