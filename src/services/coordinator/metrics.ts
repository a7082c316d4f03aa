/** The coordinator's metrics: how many, how long, how late. */
import { Gauge, Histogram, type Registry } from "prom-client";
import type { IncidentStore } from "./incident-store.ts";
import type { TaskStore } from "./task-store.ts";
import type { TaskRecord } from "./task.ts";

export interface CoordinatorMetrics {
  began(task: TaskRecord, nowMs: number): void;
  /** An attempt has ended. `outcome` is the task's state after it, or "superseded" when it came too late. */
  ended(task: TaskRecord, outcome: string, durationMs: number): void;
  /** A crossing was taken in: received to decision stored. */
  decided(durationMs: number): void;
  /** An incident was thought about: evidence gathered, cause found, what follows stored. */
  deliberated(durationMs: number): void;
  /** Median of the latest decisions; null before the first. */
  decisionP50Ms(): number | null;
}

const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];
const DECISIONS_KEPT = 256;

export function createMetrics(
  registry: Registry,
  deps: {
    readonly tasks: TaskStore;
    readonly incidents: IncidentStore;
    /** Gauges of the shared tables are shown by the owner alone, so that a sum over replicas is right. */
    readonly isOwner: () => boolean;
    readonly nowMs: () => number;
  },
): CoordinatorMetrics {
  const registers = [registry];
  const attempts = new Histogram({
    name: "seedcore_task_attempt_seconds",
    help: "Duration of attempts, the storing of their results included, by what became of the task.",
    labelNames: ["type", "outcome"],
    buckets: BUCKETS_S,
    registers,
  });
  const waits = new Histogram({
    name: "seedcore_task_wait_seconds",
    help: "From when a task might run to when it ran.",
    buckets: BUCKETS_S,
    registers,
  });
  const decisions = new Histogram({
    name: "seedcore_incident_decision_seconds",
    help: "From a crossing received to its incident and decision stored.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
    registers,
  });
  const deliberations = new Histogram({
    name: "seedcore_incident_deliberation_seconds",
    help: "Gathering the evidence of an incident, finding its cause, and storing what follows.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
  new Gauge({
    name: "seedcore_tasks",
    help: "Tasks by state.",
    labelNames: ["state"],
    registers,
    async collect() {
      this.reset();
      if (!deps.isOwner()) return;
      for (const [state, count] of Object.entries(await deps.tasks.countByState())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: "seedcore_task_queue_age_seconds",
    help: "How long the first submitted of the queued tasks has been able to run.",
    registers,
    async collect() {
      this.reset();
      if (!deps.isOwner()) return;
      const oldestMs = await deps.tasks.oldestQueuedMs();
      this.set(oldestMs === undefined ? 0 : Math.max(0, deps.nowMs() - oldestMs) / 1_000);
    },
  });
  new Gauge({
    name: "seedcore_incidents",
    help: "Incidents by state.",
    labelNames: ["state"],
    registers,
    async collect() {
      this.reset();
      if (!deps.isOwner()) return;
      for (const [state, count] of Object.entries(await deps.incidents.countByState())) this.set({ state }, count);
    },
  });

  const recent: number[] = [];
  let next = 0;
  return {
    began: (task, nowMs) => waits.observe(Math.max(0, nowMs - task.runAfterMs) / 1_000),
    ended: (task, outcome, durationMs) => attempts.observe({ type: task.type, outcome }, durationMs / 1_000),
    decided(durationMs) {
      decisions.observe(durationMs / 1_000);
      recent[next] = durationMs;
      next = (next + 1) % DECISIONS_KEPT;
    },
    deliberated: (durationMs) => deliberations.observe(durationMs / 1_000),
    decisionP50Ms() {
      const sorted = [...recent].sort((a, b) => a - b);
      return sorted[Math.floor(sorted.length / 2)] ?? null;
    },
  };
}
