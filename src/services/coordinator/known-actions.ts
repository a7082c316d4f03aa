/**
 * The actions in memory: those that something is still to happen to, those that ended within the last hour and those of open
 * incidents, each with its steady time. Memory follows the disk, never the other way round.
 */
import type { Clock } from "#core/clock.ts";
import type { ActionRecord } from "./action.ts";
import type { ActionStore } from "./action-store.ts";
import { createSteadyTime } from "./steady-time.ts";

export interface KnownActionsDeps {
  readonly store: Pick<ActionStore, "current" | "ofIncident">;
  readonly isOpen: (incidentId: string) => boolean;
  readonly clock: Pick<Clock, "now" | "monotonic">;
}

export type KnownActions = ReturnType<typeof createKnownActions>;

const HOUR_MS = 3_600_000;

export function createKnownActions({ store, isOpen, clock }: KnownActionsDeps) {
  const known = new Map<string, ActionRecord>();
  /** Since each came into its state, and since it was begun. */
  const inState = createSteadyTime(clock);
  const begun = createSteadyTime(clock);

  /** Wall time as it would be now had it not jumped since the action came into its state. */
  const steadyNow = (id: string) => inState.now(id);

  function note(action: ActionRecord): void {
    inState.note(action.id, action.state);
    // What was observed would have been begun then.
    begun.note(action.id, action.begunAtMs ?? action.endedAtMs);
    known.set(action.id, action);
  }

  function forget(id: string): void {
    known.delete(id);
    inState.forget(id);
    begun.forget(id);
  }

  function forgetEnded(): void {
    for (const { id, incidentId, endedAtMs } of known.values()) {
      // Those of an open incident say which rules have been followed.
      if (endedAtMs !== null && !endedWithinHour(id) && !isOpen(incidentId)) forget(id);
    }
  }

  function endedWithinHour(id: string): boolean {
    const endedAtMs = known.get(id)?.endedAtMs ?? null;
    return endedAtMs !== null && steadyNow(id) - endedAtMs <= HOUR_MS;
  }

  return {
    get: (id: string) => known.get(id),
    /** As they are now: what changes them meanwhile does not show. */
    all: (): readonly ActionRecord[] => [...known.values()],

    ofIncident: (incidentId: string): readonly ActionRecord[] =>
      [...known.values()].filter((action) => action.incidentId === incidentId),

    steadyNow,

    /** The same since it was begun, or would have been. */
    steadySinceBegun: (id: string): number => begun.now(id),

    /**
     * Late by either clock is late: one may have been set back, the other stood still while the machine slept. In whole
     * milliseconds, since it is stored.
     */
    latestNow: (id: string): number => Math.max(clock.now(), Math.floor(steadyNow(id))),

    /** As it was stored; what ended long ago is forgotten. */
    keep(action: ActionRecord): void {
      note(action);
      forgetEnded();
    },

    /** Reads what is stored: another process may have changed it. */
    async read(incidents: readonly string[]): Promise<void> {
      const before = new Map(known);
      const [current, ...ofOpen] = await Promise.all([
        store.current(clock.now()),
        ...incidents.map((id) => store.ofIncident(id)),
      ]);
      const found = new Map([...current, ...ofOpen.flat()].map((action) => [action.id, action]));
      // The end of a task may have been stored meanwhile: that is newer.
      const isAsBefore = (id: string) => known.get(id) === before.get(id);
      for (const id of known.keys()) {
        // By a wall clock that was set forward it may have ended long ago.
        if (!found.has(id) && isAsBefore(id) && !endedWithinHour(id)) forget(id);
      }
      for (const action of found.values()) if (isAsBefore(action.id)) note(action);
    },
  };
}
