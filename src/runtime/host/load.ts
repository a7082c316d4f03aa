import { isServiceSubject } from "../auth/scopes.ts";

/** Cumulative counters of one service since the start of the process. */
export interface ServiceLoad {
  requests: number;
  /** Answers that were the service's fault: status 500 and above. */
  errors: number;
  latencySumMs: number;
  /** Of that, in which calls of its own were under way; 0 of calls that are counted by who makes them. */
  waitedSumMs: number;
}

/** The answer of `GET /-/load`. */
export interface LoadReport {
  readonly inFlight: number;
  readonly limit: number;
  readonly queued: number;
  readonly services: Readonly<Record<string, Readonly<ServiceLoad>>>;
  /** Calls that the services of a person's own host made, by the service called. */
  readonly outbound: Readonly<Record<string, Readonly<ServiceLoad>>>;
  readonly residentBytes: number;
}

/**
 * Counts calls from outside by service. Calls of the organism's own services are left out, so that watching and triage
 * never see themselves.
 */
export class LoadCounters {
  readonly services: Record<string, ServiceLoad> = {};

  constructor(services: readonly string[]) {
    for (const service of services)
      this.services[service] = { requests: 0, errors: 0, latencySumMs: 0, waitedSumMs: 0 };
  }

  count(service: string, subject: string, status: number, tookMs: number, waitedMs: number): void {
    const load = this.services[service];
    if (load === undefined || isServiceSubject(subject)) return;
    load.requests++;
    if (status >= 500) load.errors++;
    load.latencySumMs += tookMs;
    // A call that the handler did not wait for may have begun before the last of it.
    load.waitedSumMs += Math.min(tookMs, waitedMs);
  }
}
