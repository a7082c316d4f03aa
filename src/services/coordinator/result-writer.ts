/** Stores what became of attempts: many in one write, and none lost because the database was away for a while. */
import type { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import { type Database, expecting, type Write, WriteRefused } from "#runtime/storage/database.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { TaskStore } from "./task-store.ts";
import type { TaskRecord } from "./task.ts";

export interface TaskResult {
  readonly before: TaskRecord;
  readonly after: TaskRecord;
  /** What becomes true together with it. */
  readonly also: readonly (Write | CompiledQuery<unknown>)[];
}

export interface ResultWriter {
  /** Resolves once it is known whether the result was stored; false when the task was cancelled or taken meanwhile. */
  store(result: TaskResult): Promise<boolean>;
}

interface Pending extends TaskResult {
  readonly settle: (isStored: boolean) => void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

export function createResultWriter(deps: {
  readonly database: Database;
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly log: Logger;
}): ResultWriter {
  const { database, store, clock, log } = deps;
  let pending: Pending[] = [];
  let isWriting = false;

  async function writeAll(): Promise<void> {
    isWriting = true;
    let pauseMs = FIRST_PAUSE_MS;
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      const failed = (
        await Promise.all([writePlain(batch.filter(isPlain)), ...batch.filter(isRich).map(writeRich)])
      ).flat();
      if (failed.length === 0) {
        pauseMs = FIRST_PAUSE_MS;
        continue;
      }
      pending = [...failed, ...pending];
      await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
    isWriting = false;
  }

  /** Each conditional by itself: one that was cancelled meanwhile does not hold up the others. */
  async function writePlain(batch: readonly Pending[]): Promise<readonly Pending[]> {
    if (batch.length === 0) return [];
    try {
      const results = await database.write(batch.map(({ before, after }) => store.replace(before, after)));
      for (const [i, one] of batch.entries()) one.settle(results[i]?.rowCount === 1);
      return [];
    } catch (error) {
      return kept(batch, error);
    }
  }

  async function writeRich(one: Pending): Promise<readonly Pending[]> {
    try {
      await database.write([expecting(store.replace(one.before, one.after)), ...one.also]);
      one.settle(true);
      return [];
    } catch (error) {
      if (!(error instanceof WriteRefused)) return kept([one], error);
      one.settle(false);
      return [];
    }
  }

  function kept(batch: readonly Pending[], error: unknown): readonly Pending[] {
    log.warn({ error, results: batch.length }, "Results of tasks could not be stored; they are kept and tried again.");
    return batch;
  }

  return {
    store(result) {
      return new Promise((settle) => {
        pending.push({ ...result, settle });
        if (!isWriting) void writeAll();
      });
    },
  };
}

const isPlain = (one: Pending): boolean => one.also.length === 0;
const isRich = (one: Pending): boolean => one.also.length > 0;
