import { setImmediate } from "node:timers/promises";
import { ServiceError } from "#core/service-error.ts";
import type { CompiledQuery } from "kysely";
import type { Database, Row, Write, WriteResult } from "./database.ts";
import { checkParameters } from "./parameters.ts";
import { isStalePlan, toFailure, toStorageError } from "./postgres-errors.ts";
import { Session, type SessionOptions } from "./postgres-session.ts";
import { commitGroup, GroupFailed, type Outcome, toError } from "./postgres-writer.ts";
import { groupLength, type PendingWrite } from "./write-group.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database` */
  readonly url: string;
  /** The same without user and password, for messages. */
  readonly address: string;
  /** The schema its tables live in; made when absent. */
  readonly schema: string;
  /**
   * How long a statement waits for another's lock, in milliseconds.
   * @default 3000
   */
  readonly lockTimeoutMs?: number;
  /**
   * A server that leaves a statement unanswered for so long is taken for gone, in milliseconds.
   * @default 60000
   */
  readonly answerTimeoutMs?: number;
}

const DEFAULTS = { lockTimeoutMs: 3_000, answerTimeoutMs: 60_000 } as const;
/** Writes that share one commit at most. */
const MAX_GROUP = 512;
/** Connections for reads: the second is made when the first is busy. */
const MAX_READERS = 2;
/** Reads sent together. */
const MAX_READS = 32;
/** How often a write is tried that the server undid, or whose connection was lost before it was committed. */
const MAX_ATTEMPTS = 8;

interface PendingRead {
  readonly query: CompiledQuery<unknown>;
  readonly resolve: (rows: Row[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Opens a schema of a PostgreSQL database: one connection for writes, which keep their order and share commits, and up
 * to two for reads. A lost connection is made again by who needs it next; what certainly was not committed is repeated.
 * @throws ServiceError STORAGE when the server cannot be reached or does not let us in.
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const database = new PostgresDatabase({ ...DEFAULTS, ...options });
  await database.open();
  return database;
}

class PostgresDatabase implements Database {
  readonly dialect = "postgres";
  readonly #options: SessionOptions;
  readonly #writer: Connection;
  readonly #idleReaders: Connection[] = [];
  readonly #reads: PendingRead[] = [];
  readonly #writes: PendingWrite[] = [];
  readonly #working = new Set<Promise<void>>();
  #readers = 0;
  #isWriting = false;
  #areReadsScheduled = false;
  #statementCount = 0;
  #closing: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#writer = new Connection(options);
  }

  async open(): Promise<void> {
    await this.#writer.session();
  }

  get statementCount(): number {
    return this.#statementCount;
  }

  read<R>(query: CompiledQuery<R>): Promise<R[]> {
    return new Promise((resolve, reject) => {
      this.#assertUsable();
      checkParameters(query);
      this.#reads.push({ query, resolve: resolve as (rows: Row[]) => void, reject });
      if (this.#areReadsScheduled) return;
      this.#areReadsScheduled = true;
      this.#work(async () => {
        // After all promises that are ready, so that what they ask for goes out together.
        await setImmediate();
        this.#areReadsScheduled = false;
        const reader = this.#idleReaders.pop() ?? this.#newReader();
        if (reader === undefined) return;
        await this.#readAll(reader);
        this.#idleReaders.push(reader);
      });
    });
  }

  write(statements: readonly (Write | CompiledQuery<unknown>)[]): Promise<readonly WriteResult[]> {
    return new Promise((resolve, reject) => {
      this.#assertUsable();
      const writes = statements.map((statement) => ("sql" in statement ? { query: statement } : statement));
      for (const { query } of writes) checkParameters(query);
      if (writes.length === 0) return resolve([]);
      this.#writes.push({ statements: writes, resolve, reject });
      if (!this.#isWriting) this.#work(() => this.#writeAll());
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
    await Promise.all([this.#writer, ...this.#idleReaders].map((connection) => connection.close()));
  }

  #assertUsable(): void {
    if (this.#closing !== undefined)
      throw new ServiceError("STORAGE", `The database ${this.#options.address} is closed.`);
  }

  /** Runs it as something that `close` waits for; it never rejects. */
  #work(work: () => Promise<void>): void {
    const working = work();
    this.#working.add(working);
    void working.finally(() => this.#working.delete(working));
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    await setImmediate();
    while (this.#writes.length > 0) {
      const group = this.#writes.splice(0, groupLength(this.#writes, MAX_GROUP));
      for (const { statements } of group) this.#statementCount += statements.length;
      try {
        const outcomes = await this.#commit(group);
        for (const [i, write] of group.entries()) settle(write, outcomes[i]);
      } catch (error) {
        for (const write of group) write.reject(error);
      }
    }
    this.#isWriting = false;
  }

  /** @throws ServiceError STORAGE for all of them */
  async #commit(group: readonly PendingWrite[]): Promise<Outcome[]> {
    const { address } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const session = await this.#writer.session();
      try {
        return await commitGroup(session, group, address);
      } catch (error) {
        if (!(error instanceof GroupFailed)) throw error;
        const { failure, isOutcomeUnknown } = error;
        this.#writer.abandon();
        const mayRepeat = !isOutcomeUnknown && (failure.kind === "again" || failure.kind === "lost");
        if (mayRepeat && attempt < MAX_ATTEMPTS) continue;
        const reason = "reason" in failure ? failure.reason : "contended";
        throw toStorageError(address, reason, failure.detail, isOutcomeUnknown);
      }
    }
  }

  #newReader(): Connection | undefined {
    if (this.#readers === MAX_READERS) return undefined;
    this.#readers++;
    return new Connection(this.#options);
  }

  async #readAll(reader: Connection): Promise<void> {
    while (this.#reads.length > 0) {
      const reads = this.#reads.splice(0, MAX_READS);
      this.#statementCount += reads.length;
      try {
        await this.#readTogether(reader, reads);
      } catch (error) {
        for (const read of reads) read.reject(error);
      }
    }
  }

  /** Reads change nothing, so those that a lost connection left unanswered are sent again. */
  async #readTogether(reader: Connection, reads: readonly PendingRead[]): Promise<void> {
    let left = reads;
    for (let attempt = 1; left.length > 0; attempt++) {
      const session = await reader.session();
      const answers = await session.run(left.map(({ query }) => query));
      const again: PendingRead[] = [];
      for (const [i, read] of left.entries()) {
        const answer = answers[i];
        if (answer?.ok === true) read.resolve([...answer.rows]);
        else if (attempt < MAX_ATTEMPTS && isWorthRepeating(answer?.error)) again.push(read);
        else read.reject(toError(answer?.error, read.query.sql, this.#options.address));
      }
      if (again.length > 0) reader.abandon();
      left = again;
    }
  }
}

/** A session that is opened when it is needed, and again after it was lost. */
class Connection {
  readonly #options: SessionOptions;
  #session: Session | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** @throws ServiceError STORAGE */
  async session(): Promise<Session> {
    if (this.#session?.isOpen !== true) this.#session = await Session.open(this.#options);
    return this.#session;
  }

  /** Drops the session, whatever state it is in. */
  abandon(): void {
    this.#session?.abandon();
  }

  async close(): Promise<void> {
    if (this.#session?.isOpen === true) await this.#session.close();
  }
}

function settle(write: PendingWrite, outcome: Outcome | undefined): void {
  if (outcome?.kind === "written") write.resolve(outcome.results);
  else write.reject(outcome?.error);
}

function isWorthRepeating(thrown: unknown): boolean {
  const { kind } = toFailure(thrown);
  return kind === "again" || kind === "lost" || isStalePlan(thrown);
}
