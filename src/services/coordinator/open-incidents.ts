/** The incidents that are open, in memory as they are on the disk. Memory follows the disk, never the other way round. */
import type { StoryEntry } from "#contracts/incident.ts";
import type { Clock } from "#core/clock.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { type IncidentRecord, toIncident } from "./incident.ts";
import type { IncidentFeed } from "./incident-feed.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { OwnedWrite } from "./owned-write.ts";
import { createSteadyTime } from "./steady-time.ts";
import type { Closing } from "./tasks.ts";

export interface OpenIncidentsDeps {
  readonly write: OwnedWrite;
  readonly store: Pick<IncidentStore, "get" | "open" | "put" | "tell">;
  readonly feed: IncidentFeed;
  readonly log: Logger;
  /** One of them, or which they are, has changed. */
  readonly changed: () => void;
  readonly over: (id: string) => void;
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

export type OpenIncidents = ReturnType<typeof createOpenIncidents>;

export function createOpenIncidents({ write, store, feed, log, changed, over, clock }: OpenIncidentsDeps) {
  const open = new Map<string, IncidentRecord>();
  const heard = createSteadyTime(clock);

  function keep(incident: IncidentRecord): void {
    open.set(incident.id, incident);
    heard.note(incident.id, incident.lastHeardMs);
  }

  /** One that is over. */
  function show(id: string): void {
    if (!feed.isWatched) return;
    store.get(id).then(
      (found) => found && feed.publish(toIncident(found)),
      (error: unknown) => log.debug({ err: error, incidentId: id }, "A changed incident could not be shown."),
    );
  }

  return {
    get: (id: string) => open.get(id),
    has: (id: string) => open.has(id),
    ids: () => [...open.keys()],
    all: () => [...open.values()],
    count: () => open.size,
    /** Wall time as it would be now had nobody set it since one of its series was last heard of. */
    steadyNow: (id: string) => heard.now(id),

    clear(): void {
      for (const id of open.keys()) heard.forget(id);
      open.clear();
    },

    /** Also one that is over. */
    find: async (id: string): Promise<IncidentRecord | undefined> => open.get(id) ?? (await store.get(id)),

    /** Reads them anew and shows what is not as it was; those with a crossing that was not known before. */
    async read(): Promise<IncidentRecord[]> {
      const before = new Map(open);
      const incidents = await store.open();
      open.clear();
      for (const incident of incidents) {
        keep(incident);
        if (before.get(incident.id)?.updatedAtMs !== incident.updatedAtMs) feed.publish(toIncident(incident));
      }
      for (const id of before.keys()) {
        if (open.has(id)) continue;
        heard.forget(id);
        over(id);
        show(id);
      }
      return incidents.filter(({ id, uncleared }) => {
        const known = before.get(id)?.uncleared;
        return [...uncleared].some((crossing) => known?.has(crossing) !== true);
      });
    },

    /** Stores an incident with its story, then shows it. */
    async put(
      under: number,
      incident: IncidentRecord,
      entries: readonly StoryEntry[],
      also: Closing["statements"] = [],
    ): Promise<void> {
      await write(under, [store.put(incident), ...also, ...entries.map((entry) => store.tell(incident.id, entry))]);
      if (incident.state === "open") keep(incident);
      else if (open.delete(incident.id)) {
        heard.forget(incident.id);
        over(incident.id);
      }
      changed();
      feed.publish(toIncident(incident));
    },

    /** Its story was added to, by a write that is done. */
    touched(id: string, nowMs: number): void {
      const incident = open.get(id);
      if (incident !== undefined) {
        const after = { ...incident, updatedAtMs: nowMs };
        open.set(id, after);
        feed.publish(toIncident(after));
      } else show(id);
    },
  };
}
