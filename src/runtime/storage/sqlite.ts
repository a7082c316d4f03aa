import { Worker } from "node:worker_threads";
import { ServiceError } from "#core/service-error.ts";
import type { CompiledQuery } from "kysely";
import { type Database, type Row, type Write, WriteRefused, type WriteResult } from "./database.ts";
import { checkParameters } from "./parameters.ts";
import { createReopening } from "./reopening.ts";
import { BatchBuilder, StatementTexts } from "./sqlite-batch.ts";
import { toStorageError } from "./sqlite-errors.ts";
import type { Answers, OperationFailure, SqliteThreadOptions, ThreadMessage } from "./sqlite-protocol.ts";
import { groupLength, type PendingWrite } from "./write-group.ts";

export interface SqliteOptions {
  /** Path of the file, created when absent; `:memory:` for a database that ends with its handle. */
  readonly file: string;
  /**
   * How long a write waits for another process that holds the lock, in milliseconds.
   * Less than most calls may take, so that they are told why.
   * @default 3000
   */
  readonly busyTimeoutMs?: number;
  /**
   * Writes that share one commit at most.
   * @default 512
   */
  readonly maxGroup?: number;
  /** Told why the thread ended, if it does by itself; the next read or write opens the file again in another one. */
  readonly onThreadDied?: (error: ServiceError) => void;
}

const DEFAULTS = { busyTimeoutMs: 3_000, maxGroup: 512 } as const;

interface PendingRead {
  readonly query: CompiledQuery<unknown>;
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What the thread works on: operations with the numbers of their texts. */
interface InFlight {
  readonly reads: readonly (readonly [PendingRead, number])[];
  readonly writes: readonly (readonly [PendingWrite, readonly number[]])[];
  awaitsReads: boolean;
  awaitsWrites: boolean;
}

/**
 * Opens a SQLite file in a thread of its own: WAL, fully synchronous, foreign keys on. Writes queued while another
 * group commits share the next commit. Reads run between groups, before writes that were queued with them. When the thread
 * dies, what it had in hand fails with an unknown outcome, and the next read or write opens the file in a new thread.
 * @param entry the thread's program; a test brings one that dies
 * @throws ServiceError STORAGE when the file is no database, locked, damaged, or not writable.
 */
export async function openSqlite(options: SqliteOptions, entry: URL = threadEntry()): Promise<Database> {
  const open = () => openInThread(options, entry);
  const first = await open();
  // What was only in memory has gone with its thread.
  return options.file === ":memory:" ? first : createReopening(first, open);
}

async function openInThread(options: SqliteOptions, entry: URL): Promise<SqliteDatabase> {
  const threadOptions: SqliteThreadOptions = {
    file: options.file,
    busyTimeoutMs: options.busyTimeoutMs ?? DEFAULTS.busyTimeoutMs,
  };
  const worker = new Worker(entry, {
    workerData: threadOptions,
    execArgv: [],
    name: "sqlite",
    // The thread holds one batch at a time; V8's default young generation would grow to tens of megabytes under load.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  const database = new SqliteDatabase(worker, threadOptions, options.maxGroup ?? DEFAULTS.maxGroup);
  await database.opened;
  void database.died.then(options.onThreadDied);
  return database;
}

/** Beside this file: as source under Node and the tests, or as its own entry of the bundle. */
function threadEntry(): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./sqlite-worker.${extension}`, import.meta.url);
}

class SqliteDatabase implements Database {
  readonly dialect = "sqlite";
  readonly opened: Promise<void>;
  /** Resolves with the reason when the thread ends by itself. */
  readonly died: Promise<ServiceError>;
  readonly #worker: Worker;
  readonly #options: SqliteThreadOptions;
  readonly #maxGroup: number;
  readonly #texts = new StatementTexts();
  readonly #reads: PendingRead[] = [];
  #writes: PendingWrite[] = [];
  #inFlight: InFlight | undefined;
  #scheduled = false;
  #statementCount = 0;
  /** Why nothing can be asked any more. */
  #ended: ServiceError | undefined;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;
  #whenClosed: (() => void) | undefined;
  #isDead = false;

  constructor(worker: Worker, options: SqliteThreadOptions, maxGroup: number) {
    this.#worker = worker;
    this.#options = options;
    this.#maxGroup = maxGroup;
    const { promise, resolve: tellDied } = Promise.withResolvers<ServiceError>();
    this.died = promise;
    this.opened = new Promise((resolve, reject) => {
      worker.on("message", (message: ThreadMessage) => {
        switch (message.kind) {
          case "opened":
            return resolve();
          case "not-opened":
            this.#end(toStorageError(options.file, options.busyTimeoutMs, message.failure));
            return reject(this.#ended);
          case "closed":
            return this.#whenClosed?.();
          case "reads":
            return this.#readsAnswered(message);
          case "writes":
            return this.#writesAnswered(message);
        }
      });
      const died = (reason: string) => {
        const error = new ServiceError("STORAGE", `The thread of the database ${options.file} ended: ${reason}.`);
        if (this.#ended === undefined) {
          this.#isDead = true;
          tellDied(error);
        }
        this.#end(error);
        reject(error);
        this.#whenClosed?.();
      };
      worker.on("error", (error) => died(error instanceof Error ? error.message : String(error)));
      worker.on("exit", (code) => died(`exit code ${code}`));
    });
  }

  /** Whether the thread has ended by itself: this handle answers nothing any more, another one could. */
  get isDead(): boolean {
    return this.#isDead;
  }

  get statementCount(): number {
    return this.#statementCount;
  }

  read<R>(query: CompiledQuery<R>): Promise<R[]> {
    return new Promise((resolve, reject) => {
      this.#assertUsable();
      checkParameters(query);
      this.#reads.push({ query, resolve: resolve as (rows: Row[]) => void, reject });
      this.#schedule();
    });
  }

  write(statements: readonly (Write | CompiledQuery<unknown>)[]): Promise<readonly WriteResult[]> {
    return new Promise((resolve, reject) => {
      this.#assertUsable();
      const writes = statements.map((statement) => ("sql" in statement ? { query: statement } : statement));
      for (const { query } of writes) checkParameters(query);
      if (writes.length === 0) return resolve([]);
      this.#writes.push({ statements: writes, resolve, reject });
      this.#schedule();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#inFlight !== undefined || this.#scheduled)
      await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    if (this.#ended === undefined) {
      this.#ended = new ServiceError("STORAGE", `The database ${this.#options.file} is closed.`);
      const closed = new Promise<void>((resolve) => (this.#whenClosed = resolve));
      this.#worker.postMessage("close");
      await closed;
    }
    await this.#worker.terminate();
  }

  #assertUsable(): void {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#closing !== undefined)
      throw new ServiceError("STORAGE", `The database ${this.#options.file} is closing.`);
  }

  /** An immediate runs after all promises that are ready, so what they ask for joins the same batch. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#ended !== undefined) return this.#whenIdle?.();
    if (this.#reads.length === 0 && this.#writes.length === 0) return this.#whenIdle?.();
    const builder = new BatchBuilder(this.#texts);
    const reads = this.#reads.splice(0).map((read) => [read, builder.read(read.query)] as const);
    const group = this.#writes.splice(0, groupLength(this.#writes, this.#maxGroup));
    const writes = group.map((write) => [write, builder.write(write.statements)] as const);
    this.#statementCount += reads.length;
    for (const [, ids] of writes) this.#statementCount += ids.length;
    this.#inFlight = { reads, writes, awaitsReads: reads.length > 0, awaitsWrites: writes.length > 0 };
    const { batch, transfer } = builder.build();
    this.#worker.postMessage(batch, transfer);
  }

  #readsAnswered(answers: Answers): void {
    const batch = this.#inFlight;
    if (batch === undefined) return;
    batch.awaitsReads = false;
    const reader = new AnswerReader(answers);
    for (const [operation, [read, id]] of batch.reads.entries()) {
      const failure = reader.failure(operation);
      if (failure === undefined) read.resolve([...reader.result(id).rows]);
      else read.reject(this.#toError(failure));
    }
    this.#finish(batch);
  }

  #writesAnswered(answers: Answers): void {
    const batch = this.#inFlight;
    if (batch === undefined) return;
    batch.awaitsWrites = false;
    const reader = new AnswerReader(answers);
    for (const [operation, [write, ids]] of batch.writes.entries()) {
      const failure = reader.failure(operation);
      if (failure === undefined) write.resolve(ids.map((id) => reader.result(id)));
      else write.reject(this.#toError(failure));
    }
    this.#finish(batch);
  }

  #finish(batch: InFlight): void {
    if (batch.awaitsReads || batch.awaitsWrites) return;
    this.#inFlight = undefined;
    this.#schedule();
  }

  #toError(failure: OperationFailure): Error {
    switch (failure.kind) {
      case "refused":
        return new WriteRefused(failure.index, failure.expected, failure.rowCount);
      case "statement":
        return new Error(`${failure.message}, in: ${failure.sql}`);
      case "storage":
        return toStorageError(this.#options.file, this.#options.busyTimeoutMs, failure);
    }
  }

  /** Rejects everything that waits: what the thread had in hand may have been committed, the rest was not begun. */
  #end(error: ServiceError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const inHand = this.#inFlight;
    this.#inFlight = undefined;
    if (inHand?.awaitsReads) for (const [read] of inHand.reads) read.reject(error);
    if (inHand?.awaitsWrites) {
      const unknown = new ServiceError("STORAGE", `${error.message} The outcome of this write is not known.`, {
        started: "maybe",
      });
      for (const [write] of inHand.writes) write.reject(unknown);
    }
    for (const read of this.#reads.splice(0)) read.reject(error);
    for (const write of this.#writes.splice(0)) write.reject(error);
    this.#whenIdle?.();
  }
}

/** Takes answers apart in the order of the operations. */
class AnswerReader {
  readonly #answers: Answers;
  readonly #columns: ReadonlyMap<number, readonly string[]>;
  readonly #failures: ReadonlyMap<number, OperationFailure>;
  #count = 0;
  #value = 0;

  constructor(answers: Answers) {
    this.#answers = answers;
    this.#columns = new Map(answers.columns);
    this.#failures = new Map(answers.failures);
  }

  failure(operation: number): OperationFailure | undefined {
    return this.#answers.failed ?? this.#failures.get(operation);
  }

  /** Of the next statement, whose text has the number `id`. */
  result(id: number): WriteResult {
    const rowCount = this.#answers.counts[this.#count++] ?? 0;
    const returned = this.#answers.counts[this.#count++] ?? 0;
    if (returned === 0) return { rowCount, rows: NO_ROWS };
    const names = this.#columns.get(id) ?? [];
    const rows: Row[] = [];
    for (let i = 0; i < returned; i++) {
      const row: Record<string, unknown> = {};
      for (const name of names) row[name] = this.#answers.values[this.#value++];
      rows.push(row);
    }
    return { rowCount, rows };
  }
}

const NO_ROWS: readonly Row[] = [];
