/** The tasks: what callers ask of them, and what becomes of those that run. */
import type { CompiledQuery } from "kysely";
import type { Task, TaskSubmission } from "#contracts/task.ts";
import type { organism } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import type { Random } from "#core/random.ts";
import type { Client } from "#runtime/client/client.ts";
import { type Database, expecting, type Write, WriteRefused } from "#runtime/storage/database.ts";
import type { HandlerContext } from "#runtime/service.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { CoordinatorConfig } from "./config.ts";
import { createDispatcher } from "./dispatcher.ts";
import { runAttempt } from "./executor.ts";
import type { CoordinatorMetrics } from "./metrics.ts";
import type { OwnedWrite } from "./owned-write.ts";
import { createResultWriter } from "./result-writer.ts";
import type { Routes } from "./routes.ts";
import { createTakeover } from "./takeover.ts";
import { isFinal, type TaskEvent, type TaskRecord, transition } from "./task.ts";
import { type TaskFilter, type TaskStore, toTask } from "./task-store.ts";
import { createWaiters } from "./waiters.ts";

type Statements = readonly (Write | CompiledQuery<unknown>)[];

/** What belongs to the end of a task besides its row: statements of the same write, and what to do once it is true. */
export interface Closing {
  readonly statements: Statements;
  readonly stored: () => void;
}

export interface TasksDeps {
  readonly database: Database;
  /** Doubts what it failed to write. */
  readonly write: OwnedWrite;
  /** That of the dispatcher, which finds out by itself what became of what it failed to write. */
  readonly dispatchWrite: OwnedWrite;
  readonly store: TaskStore;
  readonly routes: Routes;
  readonly organism: Pick<Client<typeof organism>, "execute">;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: CoordinatorMetrics;
  readonly replicaId: string;
  readonly isAlive: (replicaId: string) => boolean;
  readonly config: () => CoordinatorConfig["tasks"];
  /** The result of a task may have been stored without anybody being told. */
  readonly doubted: () => void;
  /** Tasks that another replica ran have ended there, or may have. */
  readonly endedElsewhere: () => void;
  /** Undefined when nothing but the task is concerned. */
  readonly closing: (after: TaskRecord, event: TaskEvent) => Closing | undefined;
  /** @throws ServiceError CONFLICT for a task that must not be given new attempts. */
  readonly allowRetry: (task: TaskRecord) => Promise<void>;
}

export interface NewTask extends TaskSubmission {
  readonly submittedBy: string;
  readonly incidentId: string | null;
  readonly timeoutMs: number;
  readonly repeatable: boolean;
}

export type Tasks = ReturnType<typeof createTasks>;

export function createTasks(deps: TasksDeps) {
  const { store, write, clock, log, config } = deps;
  const waiters = createWaiters(clock, () => config().waiters);
  const results = createResultWriter({ database: deps.database, store, clock, log });
  let lastSeq = 0;

  const dispatcher = createDispatcher({
    ...deps,
    write: deps.dispatchWrite,
    slots: () => config().slots,
    run: async (task, signal) => {
      deps.metrics.began(task, clock.now());
      const startedMs = clock.monotonic();
      const event = await runAttempt(deps, task, delays(), signal);
      const after = signal.reason === "cancelled" ? undefined : transition(task, event, clock.now());
      if (after === undefined) return deps.metrics.ended(task, "cancelled", clock.monotonic() - startedMs);
      const closing = deps.closing(after, event);
      const isStored = await results.store({ before: task, after, also: closing?.statements ?? [] });
      deps.metrics.ended(task, isStored ? after.state : "superseded", clock.monotonic() - startedMs);
      if (isStored) {
        closing?.stored();
        settled(after);
      } else {
        // A write that failed half-way may have stored it after all; then nobody has been told yet.
        deps.doubted();
        await store.get(task.id).then((found) => found && settled(found), dispatcher.look);
      }
    },
  });

  const takeover = createTakeover({
    clock,
    log,
    running: () => store.running(),
    isRunningHere: (id) => dispatcher.isRunning(id),
    isAlive: deps.isAlive,
    replace: async (epoch, before, after) => {
      const closing = deps.closing(after, { kind: "orphan" });
      const isChanged = await replaced(epoch, before, after, closing?.statements ?? []);
      if (!isChanged) return;
      closing?.stored();
      settled(after);
    },
    ended: (id) => waiters.tell(id),
    mayHaveEnded: () => {
      // They may have been queued or scheduled again, and have left messages.
      dispatcher.look();
      deps.endedElsewhere();
    },
  });

  const delays = () => ({ baseMs: config().retryBaseMs, maxMs: config().retryMaxMs });

  /** Tells those who wait for what has become true of a task. */
  function settled(task: TaskRecord): void {
    if (isFinal(task.state)) waiters.tell(task.id);
    else if (task.state === "queued") dispatcher.wake();
    else if (task.state === "scheduled") dispatcher.wakeAt(task.runAfterMs);
  }

  /** False when somebody else changed the task first. */
  async function replaced(epoch: number, before: TaskRecord, after: TaskRecord, also: Statements): Promise<boolean> {
    try {
      await write(epoch, [expecting(store.replace(before, after)), ...also]);
      return true;
    } catch (error) {
      if (error instanceof WriteRefused && error.index === 0) return false;
      throw error;
    }
  }

  return {
    /** A task that is not stored yet: put `insert` into a write, then call `accepted`. */
    prepare(input: NewTask): { readonly task: TaskRecord; readonly insert: CompiledQuery } {
      const nowMs = clock.now();
      const runAfterMs = input.runAfterMs ?? nowMs;
      const task: TaskRecord = {
        id: deps.ids.next("task"),
        seq: ++lastSeq,
        type: input.type,
        description: input.description,
        params: input.params,
        domain: input.domain ?? null,
        priority: input.priority,
        state: runAfterMs > nowMs ? "scheduled" : "queued",
        attempts: 0,
        maxAttempts: input.maxAttempts,
        allowance: input.maxAttempts,
        runAfterMs,
        timeoutMs: input.timeoutMs,
        repeatable: input.repeatable,
        result: null,
        effect: null,
        error: null,
        organ: null,
        agent: null,
        incidentId: input.incidentId,
        submittedBy: input.submittedBy,
        createdAtMs: nowMs,
        updatedAtMs: nowMs,
        lease: null,
      };
      return { task, insert: store.insert(task) };
    },

    accepted: settled,
    /** A write that held tasks failed, perhaps half-way. */
    doubt: dispatcher.look,

    /** @throws ServiceError UNKNOWN_TASK_TYPE */
    async submit(
      input: TaskSubmission,
      by: { readonly subject: string; readonly epoch: number },
      storeAnswer: ((answer: Task) => CompiledQuery) | undefined,
    ): Promise<Task> {
      const route = await deps.routes.resolve(input.type, input.domain);
      const { task, insert } = this.prepare({
        ...input,
        timeoutMs: input.timeoutMs ?? route.timeoutMs,
        repeatable: route.idempotent,
        submittedBy: by.subject,
        incidentId: null,
      });
      const answer = toTask(task);
      await write(by.epoch, storeAnswer === undefined ? [insert] : [insert, storeAnswer(answer)]);
      settled(task);
      return answer;
    },

    /** Undefined for an unknown task. */
    async get(
      id: string,
      waitMs: number,
      { signal, standBy }: Pick<HandlerContext, "signal" | "standBy">,
    ): Promise<Task | undefined> {
      using waiting = waitMs > 0 ? waiters.wait(id, waitMs, signal) : undefined;
      const found = await store.get(id);
      if (found === undefined || isFinal(found.state) || waiting === undefined) return found && toTask(found);
      await standBy(waiting.told);
      const after = await store.get(id);
      return after && toTask(after);
    },

    async list(filter: TaskFilter): Promise<{ tasks: Task[]; total: number }> {
      const { tasks, total } = await store.list(filter);
      return { tasks: tasks.map(toTask), total };
    },

    async cancel(id: string, epoch: number): Promise<Task | undefined> {
      for (;;) {
        const before = await store.get(id);
        if (before === undefined) return undefined;
        const after = transition(before, { kind: "cancel" }, clock.now());
        if (after === undefined) return toTask(before);
        const closing = deps.closing(after, { kind: "cancel" });
        if (!(await replaced(epoch, before, after, closing?.statements ?? []))) continue;
        closing?.stored();
        dispatcher.stop(id, "cancelled");
        settled(after);
        return toTask(after);
      }
    },

    /**
     * What it is now, and whether it was given new attempts; undefined for an unknown task.
     * @throws ServiceError CONFLICT for the task of an action with a risk
     */
    async retry(
      id: string,
      epoch: number,
      storeAnswer: ((answer: Task) => CompiledQuery) | undefined,
    ): Promise<{ readonly task: Task; readonly isRetried: boolean } | undefined> {
      for (;;) {
        const before = await store.get(id);
        if (before === undefined) return undefined;
        const after = transition(before, { kind: "retry" }, clock.now());
        if (after === undefined) return { task: toTask(before), isRetried: false };
        await deps.allowRetry(before);
        const answer = toTask(after);
        if (!(await replaced(epoch, before, after, storeAnswer === undefined ? [] : [storeAnswer(answer)]))) continue;
        settled(after);
        return { task: answer, isRetried: true };
      }
    },

    async own(epoch: number | undefined): Promise<void> {
      if (epoch === undefined) waiters.dismiss();
      else lastSeq = Math.max(lastSeq, await store.lastSeq());
      await takeover.own(epoch);
      await dispatcher.own(epoch);
    },

    async close(): Promise<void> {
      waiters.dismiss();
      await takeover.own(undefined);
      await dispatcher.close(config().closeMs);
    },
  };
}
