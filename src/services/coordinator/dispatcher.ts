/**
 * Gives queued tasks to executors, as many as have a free place. It never polls: submissions, freed places and one timer
 * for the next due time wake it.
 */
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { StopReason } from "./executor.ts";
import type { OwnedWrite } from "./owned-write.ts";
import type { TaskRecord } from "./task.ts";
import { fromClaimed, type TaskStore } from "./task-store.ts";

export interface DispatcherDeps {
  readonly write: OwnedWrite;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly replicaId: string;
  /** Runs one attempt to its end, the storing of its result included. Never rejects. */
  readonly run: (task: TaskRecord, signal: AbortSignal) => Promise<void>;
  readonly slots: () => number;
}

export interface Dispatcher {
  /** Takes tasks under `epoch` from now on; undefined stops that, what runs goes on. */
  own(epoch: number | undefined): Promise<void>;
  /** There may be queued tasks. */
  wake(): void;
  /** A task is scheduled for then. */
  wakeAt(dueMs: number): void;
  /** Something may have become due or queued without this process being told: looks in the database. */
  look(): void;
  isRunning(id: string): boolean;
  /** Begins a task that is leased to this replica already. */
  begin(task: TaskRecord): void;
  /** Stops the attempt of a task that runs here. */
  stop(id: string, reason: StopReason): void;
  /** Lets what runs finish for `graceMs`, then stops it; resolves when nothing runs any more. */
  close(graceMs: number): Promise<void>;
}

/** A lease outlasts the time-out of its attempt by this much: the time to store the result. */
const LEASE_GRACE_MS = 30_000;
/** Wall clocks are set and machines sleep: a timer looks again after this long at the latest. */
const LONGEST_TIMER_MS = 60_000;
const PAUSE_AFTER_FAILURE_MS = 500;

interface Running {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { write, store, clock, log } = deps;
  const running = new Map<string, Running>();
  let epoch: number | undefined;
  let isClaiming = false;
  let mayHaveQueued = false;
  let dueMs = Number.POSITIVE_INFINITY;
  let cancelTimer = () => {};

  async function claimAll(): Promise<void> {
    if (isClaiming) return;
    isClaiming = true;
    try {
      while (epoch !== undefined && mayHaveQueued && running.size < deps.slots()) {
        mayHaveQueued = false;
        await claim(epoch, deps.slots() - running.size);
      }
    } catch (error) {
      await recover(error);
    } finally {
      isClaiming = false;
    }
  }

  async function claim(under: number, free: number): Promise<void> {
    const lease = { epoch: under, holder: deps.replicaId };
    const [claimed] = await write(under, [store.claim(free, lease, clock.now(), LEASE_GRACE_MS)]);
    const tasks = (claimed?.rows ?? []).map(fromClaimed);
    if (tasks.length === free) mayHaveQueued = true;
    // The database returns them in any order.
    tasks.sort((a, b) => b.priority - a.priority || a.seq - b.seq);
    for (const task of tasks) begin(task);
  }

  /** The claim may have happened although it failed: whatever is leased to this epoch and not known to run is begun. */
  async function recover(error: unknown): Promise<void> {
    const failedUnder = epoch;
    log.warn({ err: error }, "Queued tasks could not be taken; trying again.");
    await new Promise<void>((resolve) => void clock.after(PAUSE_AFTER_FAILURE_MS, resolve));
    if (failedUnder === undefined || epoch !== failedUnder) return;
    mayHaveQueued = true;
    try {
      for (const task of await store.running()) {
        if (task.lease?.epoch === epoch && task.lease.holder === deps.replicaId && !running.has(task.id)) begin(task);
      }
    } catch (again) {
      log.debug({ err: again }, "Running tasks could not be read.");
    }
    setImmediate(wake);
  }

  function begin(task: TaskRecord): void {
    const controller = new AbortController();
    const done = deps.run(task, controller.signal).finally(() => {
      running.delete(task.id);
      if (mayHaveQueued) void claimAll();
    });
    running.set(task.id, { controller, done });
  }

  function wake(): void {
    mayHaveQueued = true;
    // What runs in the background belongs to no call.
    runDetached(() => void claimAll());
  }

  function wakeAt(atMs: number): void {
    if (epoch === undefined || atMs >= dueMs) return;
    cancelTimer();
    dueMs = atMs;
    const delayMs = Math.min(LONGEST_TIMER_MS, Math.max(0, atMs - clock.now()));
    runDetached(() => {
      cancelTimer = clock.after(delayMs, () => void promote());
    });
  }

  async function promote(): Promise<void> {
    dueMs = Number.POSITIVE_INFINITY;
    if (epoch === undefined) return;
    try {
      const [promoted] = await write(epoch, [store.promote(clock.now())]);
      if ((promoted?.rowCount ?? 0) > 0) wake();
      await armTimer();
    } catch (error) {
      log.warn({ err: error }, "Due tasks could not be queued; trying again.");
      wakeAt(clock.now() + PAUSE_AFTER_FAILURE_MS);
    }
  }

  async function armTimer(): Promise<void> {
    const nextMs = await store.nextDueMs();
    if (nextMs !== undefined) wakeAt(nextMs);
  }

  function look(): void {
    wake();
    armTimer().catch((error: unknown) => {
      log.debug({ err: error }, "The next due time could not be read.");
      wakeAt(clock.now() + PAUSE_AFTER_FAILURE_MS);
    });
  }

  return {
    wake,
    wakeAt,
    look,
    begin,
    isRunning: (id) => running.has(id),
    stop: (id, reason) => running.get(id)?.controller.abort(reason),
    async own(newEpoch) {
      epoch = newEpoch;
      cancelTimer();
      dueMs = Number.POSITIVE_INFINITY;
      if (newEpoch === undefined) return;
      await armTimer();
      wake();
    },
    async close(graceMs) {
      epoch = undefined;
      cancelTimer();
      const all = Promise.all([...running.values()].map(({ done }) => done));
      if (running.size === 0) return;
      const timeUp = Promise.withResolvers<void>();
      const cancel = clock.after(graceMs, () => timeUp.resolve());
      await Promise.race([all, timeUp.promise]);
      cancel();
      for (const { controller } of running.values()) controller.abort("closing" satisfies StopReason);
      await all;
    },
  };
}
