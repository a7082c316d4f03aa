/** The incidents that crossings led to: triage gets them moments after ml has noticed them. */
import { type Clock, sleep } from "#core/clock.ts";
import type { Incident } from "#contracts/incident.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Connection } from "../../connect.ts";
import { insist } from "./insist.ts";

const WAIT_MS = 3_000;
const LOOK_EVERY_MS = 100;
const LOOKED_AT = 1_000;

/**
 * The incidents these crossings are part of, oldest first; waits until each has one, for 3 s at most once the coordinator
 * answers. An aborted signal ends the waiting for one that is away, and nothing else: what there is is shown after Ctrl-C.
 */
export async function incidentsOf(
  crossings: readonly Crossing[],
  connection: Pick<Connection, "getServiceClient">,
  clock: Clock,
  signal: AbortSignal,
): Promise<Incident[]> {
  const coordinator = connection.getServiceClient("coordinator");
  const series = new Set(crossings.map((crossing) => `${crossing.source}/${crossing.series}`));
  const missing = new Set(crossings.map(({ id }) => id));
  const found = new Map<string, Incident>();
  const seen = new Map<string, number>();
  let giveUpAtMs: number | undefined;
  while (missing.size > 0) {
    const { incidents } = await insist(() => coordinator.listIncidents({ limit: LOOKED_AT }), clock, signal);
    giveUpAtMs ??= clock.monotonic() + WAIT_MS;
    for (const { id, series: theirs, updatedAtMs } of incidents) {
      if (seen.get(id) === updatedAtMs || !theirs.some((name) => series.has(name))) continue;
      seen.set(id, updatedAtMs);
      const detail = await insist(() => coordinator.getIncident({ id }), clock, signal);
      const { crossings: part, changes: _, story: __, tasks: ___, ...incident } = detail;
      const mine = part.filter((crossing) => missing.has(crossing.id) || found.has(id));
      if (mine.length > 0) found.set(id, incident);
      for (const crossing of mine) missing.delete(crossing.id);
    }
    if (clock.monotonic() >= giveUpAtMs) break;
    if (missing.size > 0) await sleep(clock, LOOK_EVERY_MS);
  }
  return [...found.values()].sort((a, b) => a.openedAtMs - b.openedAtMs);
}

/** The incidents with a series of these sources, oldest first. */
export async function incidentsOfSources(
  sources: readonly string[],
  connection: Pick<Connection, "getServiceClient">,
  clock: Clock,
  signal: AbortSignal,
): Promise<Incident[]> {
  // What was noticed last is on its way to triage.
  await sleep(clock, 2 * LOOK_EVERY_MS);
  const coordinator = connection.getServiceClient("coordinator");
  const { incidents } = await insist(() => coordinator.listIncidents({ limit: LOOKED_AT }), clock, signal);
  return incidents
    .filter(({ series }) => series.some((name) => sources.some((source) => name.startsWith(`${source}/`))))
    .reverse();
}
