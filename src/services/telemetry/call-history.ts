/** The last half hour of who called whom, and how the answers were: what the call graph is made of. In memory. */
import type { CallGraph, EdgeFigures, ServiceFigures } from "#contracts/cognitive.ts";
import type { EngineStatus } from "#runtime/engine/engine.ts";
import { isOwnHost } from "#runtime/engine/host-spec.ts";
import type { ServiceLoad } from "./services-sampler.ts";

/** One interval, as rates per second. */
export interface CallSample {
  readonly atMs: number;
  readonly services: ReadonlyMap<string, ServiceLoad>;
  /** By caller and callee, as callers see it. */
  readonly edges: ReadonlyMap<string, ReadonlyMap<string, ServiceLoad>>;
  /** Resident memory of the largest replica. */
  readonly memoryMb: ReadonlyMap<string, number>;
}

export interface CallHistory {
  add(sample: CallSample): void;
  graph(status: EngineStatus, window: GraphWindow): CallGraph;
}

export interface GraphWindow {
  /** The newest moment that counts. */
  readonly atMs: number;
  /** When the first thing moved: what counts as before ends there. */
  readonly sinceMs: number | undefined;
  readonly nowS: number;
  readonly beforeS: number;
}

const KEPT_MS = 30 * 60_000;
/** At one sample a second; more often, less far back. */
const MAX_KEPT = 2_000;

export function createCallHistory(): CallHistory {
  const samples: CallSample[] = [];

  return {
    add(sample) {
      samples.push(sample);
      const oldestMs = sample.atMs - KEPT_MS;
      let gone = Math.max(0, samples.length - MAX_KEPT);
      while ((samples[gone]?.atMs ?? Infinity) < oldestMs) gone++;
      samples.splice(0, gone);
    },

    graph(status, { atMs, sinceMs, nowS, beforeS }) {
      const nowFromMs = atMs - nowS * 1_000;
      // A sample is of the time up to it: the one at which something moved is no longer of before.
      const beforeToMs = Math.min(nowFromMs, (sinceMs ?? Infinity) - 1);
      const beforeFromMs = beforeToMs - beforeS * 1_000;
      const within = (fromMs: number, toMs: number) => samples.filter((one) => one.atMs > fromMs && one.atMs <= toMs);
      const now = within(nowFromMs, atMs);
      const before = within(beforeFromMs, beforeToMs);
      const seen = new Set([...before, ...now].flatMap(({ services }) => [...services.keys()]));
      const pairs = new Map<string, readonly [string, string]>();
      for (const { edges } of [...before, ...now]) {
        for (const [from, callees] of edges) for (const to of callees.keys()) pairs.set(`${from} ${to}`, [from, to]);
      }
      return {
        services: status.hosts.flatMap(({ spec, replicas }) =>
          spec.services
            .filter((service) => isOwnHost(spec) || seen.has(service))
            .map((service) => ({
              service,
              host: spec.name,
              isOwn: isOwnHost(spec),
              replicas: {
                ready: replicas.filter(({ state }) => state.kind === "ready").length,
                wanted: spec.replicas,
              },
              before: serviceFigures(service, isOwnHost(spec), before),
              now: serviceFigures(service, isOwnHost(spec), now),
            })),
        ),
        edges: [...pairs.values()]
          .sort(([a, b], [c, d]) => (a + b < c + d ? -1 : 1))
          .map(([from, to]) => ({ from, to, before: edgeFigures(from, to, before), now: edgeFigures(from, to, now) })),
        beforeMs: [beforeFromMs, beforeToMs],
        nowMs: [nowFromMs, atMs],
        watchedFromMs: samples[0]?.atMs ?? null,
      };
    },
  };
}

/** What is its own is known of a person's services only: the calls of the organism's parts are not counted. */
function serviceFigures(service: string, isOwn: boolean, samples: readonly CallSample[]): ServiceFigures {
  const loads = samples.map(({ services }) => services.get(service)).filter((load) => load !== undefined);
  const memory = samples.map(({ memoryMb }) => memoryMb.get(service)).filter((value) => value !== undefined);
  const memoryMb = memory.length === 0 ? null : sum(memory) / memory.length;
  if (loads.length === 0) {
    return {
      requestsPerS: null,
      errorsPerS: null,
      latencyMs: null,
      selfErrorsPerS: null,
      selfLatencyMs: null,
      memoryMb,
    };
  }
  const requests = sum(loads.map((load) => load.requests));
  const errors = sum(loads.map((load) => load.errors));
  const latency = sum(loads.map((load) => load.latencySumMs));
  const calls = samples
    .flatMap(({ edges }) => [...(edges.get(service)?.entries() ?? [])])
    .filter(([to]) => to !== service);
  const calledErrors = sum(calls.map(([, load]) => load.errors));
  const waited = sum(loads.map((load) => load.waitedSumMs));
  return {
    requestsPerS: requests / loads.length,
    errorsPerS: errors / loads.length,
    latencyMs: requests === 0 ? null : latency / requests,
    selfErrorsPerS: isOwn ? Math.max(0, errors - calledErrors) / loads.length : null,
    selfLatencyMs: isOwn && requests > 0 ? Math.max(0, latency - waited) / requests : null,
    memoryMb,
  };
}

function edgeFigures(from: string, to: string, samples: readonly CallSample[]): EdgeFigures {
  const loads = samples.map(({ edges }) => edges.get(from)?.get(to)).filter((load) => load !== undefined);
  if (loads.length === 0) return { callsPerS: 0, errorsPerS: 0, latencyMs: null };
  const calls = sum(loads.map(({ requests }) => requests));
  // Like the rates of the caller: over the time for which there are figures of it.
  const seconds = samples.filter(({ services, edges }) => services.has(from) || edges.has(from)).length;
  return {
    callsPerS: calls / seconds,
    errorsPerS: sum(loads.map(({ errors }) => errors)) / seconds,
    latencyMs: calls === 0 ? null : sum(loads.map(({ latencySumMs }) => latencySumMs)) / calls,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
