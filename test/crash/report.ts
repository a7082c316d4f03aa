/** Rounds as people read them. */
import { HEALTHY_AFTER_MS } from "#runtime/engine/embedded/replica-state.ts";
import type { Acknowledged, RoundResult } from "./crash-run.ts";
import type { Recovery } from "./kill.ts";
import type { Victim } from "./plan.ts";

export function describeRound({ plan, wrong, recoveries, failures, acknowledged, tookMs }: RoundResult): string {
  const { points, tasks, changes, crossings } = acknowledged;
  const victims = plan.victims.join(" + ");
  const watch = plan.watch === undefined ? "" : `, watch of ${plan.watch.rows} rows`;
  const back = recoveries.map((recovery) => `${Math.round(recovery.tookMs)} ms`).join(" and ");
  return (
    `round ${plan.round}: ${victims} killed after ${plan.killAfterMs} ms${watch}; back in ${back}; ` +
    `${points} points, ${tasks} tasks, ${changes} changes, ${crossings} crossings; ` +
    `${failures.length} failed calls; ${wrong.length} wrong (${(tookMs / 1_000).toFixed(1)} s)`
  );
}

/** Totals, recovery by victim, and what callers saw of the kills. */
export function summarise(results: readonly RoundResult[]): string {
  const total = (of: (acknowledged: Acknowledged) => number) =>
    results.reduce((sum, { acknowledged }) => sum + of(acknowledged), 0).toLocaleString("en");
  const recoveries = results.flatMap((result) => result.recoveries);
  const failures = new Map<string, number>();
  for (const failure of results.flatMap((result) => result.failures)) {
    failures.set(failure, (failures.get(failure) ?? 0) + 1);
  }
  return [
    `${results.length} rounds; acknowledged: ${total(({ points }) => points)} points, ${total(({ tasks }) => tasks)} tasks, ` +
      `${total(({ changes }) => changes)} changes; ${total(({ crossings }) => crossings)} crossings`,
    "",
    "| victim | kills | back after, p50 | p95 | max |",
    "| --- | ---: | ---: | ---: | ---: |",
    ...HOSTS.map((host) => recoveryRow(host, ofHost(recoveries, host, isHealthy))),
    ...HOSTS.map((host) => recoveryRow(`${host}, again within 5 s`, ofHost(recoveries, host, isWeak))),
    recoveryRow("supervisor", ofHost(recoveries, "supervisor", isHealthy)),
    goneLine(recoveries),
    "",
    "Calls that failed while what serves them was away:",
    ...[...failures].sort(([, a], [, b]) => b - a).map(([failure, count]) => `  ${count} × ${failure}`),
  ].join("\n");
}

const HOSTS = ["gateway", "core", "ml"] as const;

/** A host that had been ready for this long is started again at once; otherwise after a delay that grows. */
const isHealthy = ({ upMs }: Recovery) => upMs >= HEALTHY_AFTER_MS;
const isWeak = (recovery: Recovery) => !isHealthy(recovery);

function ofHost(recoveries: readonly Recovery[], victim: Victim, is: (recovery: Recovery) => boolean): number[] {
  return recoveries.filter((recovery) => recovery.victim === victim && is(recovery)).map(({ tookMs }) => tookMs);
}

function recoveryRow(name: string, took: readonly number[]): string {
  return `| ${name} | ${took.length} | ${[0.5, 0.95, 1].map((share) => quantile(took, share)).join(" | ")} |`;
}

function goneLine(recoveries: readonly Recovery[]): string {
  const gone = recoveries.flatMap(({ goneMs }) => (goneMs === undefined ? [] : [goneMs]));
  return `\nNo process was left after a supervisor's kill within: p50 ${quantile(gone, 0.5)}, max ${quantile(gone, 1)}`;
}

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return value === undefined ? "none" : `${Math.round(value)} ms`;
}
