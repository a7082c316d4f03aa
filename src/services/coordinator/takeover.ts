/** What a new owner does with tasks that another process was running. */
import type { Clock } from "#core/clock.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { type TaskRecord, transition } from "./task.ts";

export interface TakeoverDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Tasks in state running, whoever runs them. */
  readonly running: () => Promise<TaskRecord[]>;
  readonly isRunningHere: (id: string) => boolean;
  /** Whether the engine still sees that replica: a draining one finishes what it has begun and stores it itself. */
  readonly isAlive: (replicaId: string) => boolean;
  /** Stores what became of an orphan, unless it has changed meanwhile. */
  readonly replace: (epoch: number, before: TaskRecord, after: TaskRecord) => Promise<void>;
  /** A task left to its living executor has ended, in whatever way. */
  readonly ended: (id: string) => void;
  /** Tasks have ended elsewhere, or may have, since what they belong to was read. */
  readonly mayHaveEnded: () => void;
}

export interface Takeover {
  /** Settles the fate of everything that is running elsewhere; what a living replica runs is watched until it ends. */
  own(epoch: number | undefined): Promise<void>;
}

/** How often a new owner looks after tasks that a draining replica still runs. Only while there are such. */
const LOOK_MS = 1_000;

export function createTakeover(deps: TakeoverDeps): Takeover {
  const { clock, log } = deps;
  let epoch: number | undefined;
  let cancelTimer = () => {};
  let watched: readonly string[] = [];

  async function look(): Promise<void> {
    const under = epoch;
    if (under === undefined) return;
    const elsewhere = (await deps.running()).filter(({ id }) => !deps.isRunningHere(id));
    const nowMs = clock.now();
    const isLeft = ({ lease }: TaskRecord) => lease !== null && deps.isAlive(lease.holder) && nowMs < lease.untilMs;
    const left = elsewhere.filter(isLeft);
    const orphans = elsewhere.filter((task) => !isLeft(task));
    for (const before of orphans) {
      const after = transition(before, { kind: "orphan" }, nowMs);
      if (after !== undefined) await deps.replace(under, before, after);
    }
    if (orphans.length > 0) log.warn({ tasks: orphans.length }, "Tasks of an executor that is gone were taken over.");
    const ids = new Set(elsewhere.map(({ id }) => id));
    const ended = watched.filter((id) => !ids.has(id));
    for (const id of ended) deps.ended(id);
    if (ended.length > 0) deps.mayHaveEnded();
    watched = left.map(({ id }) => id);
    if (left.length > 0 && epoch === under) again();
  }

  function again(): void {
    cancelTimer = clock.after(LOOK_MS, () => {
      look().catch((error: unknown) => {
        log.warn({ err: error }, "Tasks of another executor could not be looked after; trying again.");
        again();
      });
    });
  }

  return {
    async own(newEpoch) {
      cancelTimer();
      epoch = newEpoch;
      watched = [];
      await look();
      // What another executor stored between the reading of the actions and this look, neither has seen.
      if (newEpoch !== undefined) deps.mayHaveEnded();
    },
  };
}
