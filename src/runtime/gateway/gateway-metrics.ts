import { Counter, Gauge, type Registry } from "prom-client";

export interface GatewayMetrics {
  /** One request was answered, or its caller left. `service` is empty for one that was refused before it was routed. */
  ended(service: string, status: number): void;
}

export function createGatewayMetrics(registry: Registry, inFlight: () => number): GatewayMetrics {
  const requests = new Counter({
    name: "seedcore_gateway_requests_total",
    help: "Requests to services that the gateway has answered, by status.",
    labelNames: ["service", "status"],
    registers: [registry],
  });
  new Gauge({
    name: "seedcore_gateway_in_flight",
    help: "Requests to services under way.",
    registers: [registry],
    collect() {
      this.set(inFlight());
    },
  });
  // Made once per combination, since finding the labels anew costs more than counting.
  const known = new Map<string, Map<number, Counter.Internal>>();
  return {
    ended(service, status) {
      let byStatus = known.get(service);
      if (byStatus === undefined) known.set(service, (byStatus = new Map()));
      let counter = byStatus.get(status);
      if (counter === undefined) byStatus.set(status, (counter = requests.labels(service, String(status))));
      counter.inc();
    },
  };
}
