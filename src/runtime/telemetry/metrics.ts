/** The metrics every host has. Names follow Prometheus' conventions: seconds, bytes, `_total`. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export interface HostGauges {
  inFlight(): number;
  queued(): number;
  streams(): number;
}

export interface CallMetrics {
  /** One call has ended. `code` is "OK" or that of its error. */
  ended(service: string, procedure: string, code: string, seconds: number): void;
}

/** Latency buckets in seconds: half a millisecond to half a minute. */
const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createRegistry(labels: Readonly<Record<string, string>>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  return registry;
}

/** Registers the standard metrics and returns what counts calls. Gauges are read only when somebody asks. */
export function createCallMetrics(registry: Registry, gauges: HostGauges): CallMetrics {
  // Counted here and handed over when somebody asks: finding the labels' place costs more than the count.
  const ended = new Map<string, { readonly labels: Record<string, string>; count: number }>();
  new Counter({
    name: "seedcore_calls_total",
    help: "Calls that have ended, by outcome (ok or error) and error code.",
    labelNames: ["service", "procedure", "outcome", "code"],
    registers: [registry],
    collect() {
      for (const { labels, count } of ended.values()) this.inc(labels, count);
      ended.clear();
    },
  });
  const latency = new Histogram({
    name: "seedcore_call_seconds",
    help: "Time from the arrival of a call to its answer, waiting included.",
    labelNames: ["service", "procedure"],
    buckets: LATENCY_BUCKETS_S,
    registers: [registry],
  });
  gauge(registry, "seedcore_calls_in_flight", "Calls being worked on.", gauges.inFlight);
  gauge(registry, "seedcore_calls_queued", "Calls waiting for a place.", gauges.queued);
  gauge(registry, "seedcore_streams_open", "Streams being served.", gauges.streams);
  return {
    ended(service, procedure, code, seconds) {
      const key = `${service} ${procedure} ${code}`;
      const known = ended.get(key);
      const outcome = code === "OK" ? "ok" : "error";
      if (known === undefined) ended.set(key, { labels: { service, procedure, outcome, code }, count: 1 });
      else known.count++;
      latency.observe({ service, procedure }, seconds);
    },
  };
}

/** What keeps the promise checkable that an idle host leaves its database alone. */
export function registerStatementCount(registry: Registry, count: () => number): void {
  gauge(registry, "seedcore_database_statements_total", "Statements run against databases since the start.", count);
}

/** Memory, processor time and event-loop delay of this process. Returns how to stop measuring. */
export function registerProcessMetrics(registry: Registry): () => void {
  // A coarse resolution: an idle process must stay idle.
  const delay = monitorEventLoopDelay({ resolution: 100 });
  delay.enable();
  gauge(registry, "process_resident_memory_bytes", "Resident memory.", () => process.memoryUsage.rss());
  gauge(registry, "nodejs_heap_used_bytes", "Heap in use.", () => process.memoryUsage().heapUsed);
  gauge(registry, "process_cpu_seconds_total", "Processor time, user and system.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge(registry, "nodejs_eventloop_delay_p99_seconds", "Event-loop delay since the last reading, p99.", () => {
    const p99 = delay.percentile(99) / 1e9;
    delay.reset();
    // The histogram counts its own sampling interval as delay.
    return Math.max(0, p99 - 0.1);
  });
  return () => delay.disable();
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
