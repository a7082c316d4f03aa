/**
 * Thinks about open incidents: gathers evidence, asks for the cause, and hands on what follows. One after another, again
 * and again while an incident goes on, since evidence comes in over seconds: the symptom is often seen before the cause.
 */
import type { Diagnosis, Evidence } from "#contracts/cognitive.ts";
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { GatherEvidence } from "./evidence.ts";
import type { IncidentRecord } from "./incident.ts";

export interface Conclusion {
  readonly diagnosis: Diagnosis;
  readonly evidence: Evidence;
}

export interface DeliberationDeps {
  readonly gather: GatherEvidence;
  readonly reason: (evidence: Evidence) => Promise<Diagnosis>;
  /** The incident as it is; undefined once it is over. */
  readonly openIncident: (id: string) => IncidentRecord | undefined;
  /** Wall time as it would be now had nobody set it since the incident was last heard of. */
  readonly steadyNow: (id: string) => number;
  readonly conclude: (incidentId: string, conclusion: Conclusion) => Promise<void>;
  /** Told how long one deliberation took. */
  readonly took: (durationMs: number) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Deliberation {
  /** Something has happened to it: think now. */
  about(incidentId: string): void;
  stop(): Promise<void>;
}

/** While it is fresh, every other second; later seldom. */
const FRESH_MS = 120_000;
const FRESH_EVERY_MS = 2_000;
const LATER_EVERY_MS = 15_000;

export function createDeliberation(deps: DeliberationDeps): Deliberation {
  const { clock, log } = deps;
  const waiting = new Set<string>();
  const timers = new Map<string, () => void>();
  let working: Promise<void> | undefined;
  let isStopped = false;

  async function work(): Promise<void> {
    for (const id of waiting) {
      waiting.delete(id);
      if (isStopped) return;
      await think(id);
    }
  }

  async function think(id: string): Promise<void> {
    const incident = deps.openIncident(id);
    if (incident === undefined) return;
    const startedMs = clock.monotonic();
    try {
      const evidence = await deps.gather(incident);
      const diagnosis = await deps.reason(evidence);
      await deps.conclude(id, { diagnosis, evidence });
      deps.took(clock.monotonic() - startedMs);
    } catch (error) {
      log.warn({ err: error, incidentId: id }, "An incident could not be thought about; trying again.");
    }
    again(id);
  }

  function again(id: string): void {
    const incident = deps.openIncident(id);
    if (isStopped || incident === undefined || incident.uncleared.size === 0) return;
    const isFresh = deps.steadyNow(id) - incident.lastHeardMs < FRESH_MS;
    timers.get(id)?.();
    timers.set(
      id,
      clock.after(isFresh ? FRESH_EVERY_MS : LATER_EVERY_MS, () => about(id)),
    );
  }

  function about(id: string): void {
    if (isStopped) return;
    timers.get(id)?.();
    timers.delete(id);
    waiting.add(id);
    if (working === undefined) begin();
  }

  function begin(): void {
    working = runDetached(work).finally(() => {
      working = undefined;
      if (waiting.size > 0 && !isStopped) begin();
    });
  }

  return {
    about,
    async stop() {
      isStopped = true;
      waiting.clear();
      for (const cancel of timers.values()) cancel();
      timers.clear();
      await working;
    },
  };
}
