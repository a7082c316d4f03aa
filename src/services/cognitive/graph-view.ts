/** The call graph as reasoning asks it: who depends on whom, and what of a service's trouble is its own. */
import type { CallGraph } from "#contracts/cognitive.ts";

type Service = CallGraph["services"][number];

export interface OwnTrouble {
  readonly kind: "latency" | "errors" | "memory" | "crash";
  /** How much of it is the service's own, in the kind's unit: ms, errors/s, MB, replicas. */
  readonly rise: number;
  readonly before: number;
  readonly now: number;
  readonly unit: string;
}

export interface GraphView {
  readonly services: readonly Service[];
  /** The service and everything that calls it, directly or through others. */
  callersOf(service: string): ReadonlySet<string>;
  /** A person's own services that nobody of those known calls; who asks the organism's parts is nobody's demand. */
  readonly entries: readonly Service[];
  trouble(service: string): readonly OwnTrouble[];
  /** How many times as long the median service takes by itself; 1 when that is not known of three at least. */
  readonly slowdown: number;
  /** Requests now over requests before; undefined when unknown. */
  demand(service: Service): number | undefined;
}

/** What is no trouble: within noise, or of no interest to a person. */
const LEAST_LATENCY_RISE_MS = 5;
const LEAST_LATENCY_SHARE = 0.5;
const LEAST_ERRORS_PER_S = 0.3;
const LEAST_ERROR_SHARE = 0.02;
/** A heap grows by dozens of megabytes before it is collected. */
const LEAST_MEMORY_RISE_MB = 48;
const LEAST_MEMORY_SHARE = 0.2;
/** So that a fraction of a millisecond more makes no factor. */
const FACTOR_FLOOR_MS = 1;
const LEAST_COMPARED = 2;
/** Below it a ratio of demand says nothing. */
const LEAST_REQUESTS_PER_S = 0.5;

export function viewGraph(graph: CallGraph | null): GraphView {
  const services = [...(graph?.services ?? [])].sort((a, b) => (a.service < b.service ? -1 : 1));
  const edges = graph?.edges ?? [];
  const names = new Set(services.map(({ service }) => service));
  const called = new Set(edges.filter(({ from, to }) => names.has(from) && from !== to).map(({ to }) => to));

  const factors = services.flatMap(({ service, before, now }) =>
    before.selfLatencyMs === null || now.selfLatencyMs === null
      ? []
      : [{ service, factor: (now.selfLatencyMs + FACTOR_FLOOR_MS) / (before.selfLatencyMs + FACTOR_FLOOR_MS) }],
  );

  /** What slows all services down is no service's own: the others tell how much that is. */
  function factorOfOthers(service: string): number {
    const others = factors.filter((one) => one.service !== service).map(({ factor }) => factor);
    return others.length < LEAST_COMPARED ? 1 : Math.max(1, median(others));
  }

  function troubleOf(one: Service): OwnTrouble[] {
    const found: OwnTrouble[] = [];
    const { before, now, replicas } = one;
    if (now.selfLatencyMs !== null && before.selfLatencyMs !== null) {
      const rise = now.selfLatencyMs - before.selfLatencyMs * factorOfOthers(one.service);
      if (rise > Math.max(LEAST_LATENCY_RISE_MS, LEAST_LATENCY_SHARE * before.selfLatencyMs)) {
        found.push({ kind: "latency", rise, before: before.selfLatencyMs, now: now.selfLatencyMs, unit: "ms" });
      }
    }
    if (now.selfErrorsPerS !== null) {
      const earlier = before.selfErrorsPerS ?? 0;
      const rise = now.selfErrorsPerS - earlier;
      const share = rise / Math.max(now.requestsPerS ?? 0, now.selfErrorsPerS);
      if (rise > LEAST_ERRORS_PER_S && share > LEAST_ERROR_SHARE) {
        found.push({ kind: "errors", rise, before: earlier, now: now.selfErrorsPerS, unit: "errors/s" });
      }
    }
    if (now.memoryMb !== null && before.memoryMb !== null) {
      const rise = now.memoryMb - before.memoryMb;
      if (rise > Math.max(LEAST_MEMORY_RISE_MB, LEAST_MEMORY_SHARE * before.memoryMb)) {
        found.push({ kind: "memory", rise, before: before.memoryMb, now: now.memoryMb, unit: "MB" });
      }
    }
    const refused = edges
      .filter(({ to, from }) => to === one.service && from !== to)
      .reduce((sum, edge) => sum + Math.max(0, edge.now.errorsPerS - edge.before.errorsPerS), 0);
    const isSilent =
      (now.requestsPerS ?? 0) < LEAST_REQUESTS_PER_S && (before.requestsPerS ?? 0) >= LEAST_REQUESTS_PER_S;
    if (replicas.ready < replicas.wanted || (isSilent && refused > LEAST_ERRORS_PER_S)) {
      const missing = Math.max(1, replicas.wanted - replicas.ready);
      found.push({ kind: "crash", rise: missing, before: replicas.wanted, now: replicas.ready, unit: "replicas" });
    }
    return found;
  }

  const trouble = new Map(services.map((one) => [one.service, troubleOf(one)]));
  return {
    services,
    entries: services.filter(({ service, isOwn }) => isOwn && !called.has(service)),
    trouble: (service) => trouble.get(service) ?? [],
    slowdown: factors.length <= LEAST_COMPARED ? 1 : Math.max(1, median(factors.map(({ factor }) => factor))),
    callersOf(service) {
      const seen = new Set([service]);
      for (const one of seen) for (const { from, to } of edges) if (to === one) seen.add(from);
      return seen;
    },
    demand({ before, now }) {
      if (before.requestsPerS === null || now.requestsPerS === null || before.requestsPerS < LEAST_REQUESTS_PER_S) {
        return undefined;
      }
      return now.requestsPerS / before.requestsPerS;
    },
  };
}

/** The lower one of an even number: two of four that are slow are not all. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] as number;
}
