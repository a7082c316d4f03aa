/**
 * The thread that owns one SQLite connection. All writes of a batch share one commit: one fdatasync for all of them,
 * each in a savepoint of its own so that a refused one does not spoil the others.
 */
import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type {
  Answers,
  Batch,
  OperationFailure,
  SqliteThreadOptions,
  StorageFailure,
  ThreadMessage,
} from "./sqlite-protocol.ts";

interface Prepared {
  readonly sql: string;
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
  readonly changesRows: boolean;
}

/** Handing a buffer over costs about 30 µs, whatever its size; a smaller one is copied faster. */
const WORTH_TRANSFERRING_BYTES = 65_536;

type Value = number | bigint | string | null | Uint8Array;

const options = workerData as SqliteThreadOptions;
const inMemory = options.file === ":memory:";
const texts = new Map<number, string>();
const prepared = new Map<number, Prepared>();

/** Takes a batch apart in the order in which it was put together. */
class BatchReader {
  readonly #batch: Batch;
  #shape = 0;
  #value = 0;
  #bytesIndex = 0;
  #bytesOffset = 0;

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  number(): number {
    return this.#batch.shape[this.#shape++] ?? 0;
  }

  parameters(count: number): Value[] {
    const parameters: Value[] = [];
    for (let i = 0; i < count; i++) {
      const value = this.#batch.values[this.#value++];
      parameters.push(value === undefined ? this.#nextBytes() : value);
    }
    return parameters;
  }

  #nextBytes(): Uint8Array {
    const length = this.#batch.byteLengths[this.#bytesIndex++] ?? 0;
    this.#bytesOffset += length;
    return this.#batch.bytes?.subarray(this.#bytesOffset - length, this.#bytesOffset) ?? new Uint8Array();
  }
}

/** Collects what a group of operations answers. */
class AnswerWriter implements Answers {
  readonly counts: number[] = [];
  readonly values: unknown[] = [];
  readonly failures: [number, OperationFailure][] = [];
  readonly transfers: ArrayBuffer[] = [];
  failed: StorageFailure | undefined;
  readonly #columns = new Map<number, readonly string[]>();

  get columns(): [number, readonly string[]][] {
    return [...this.#columns];
  }

  rows(id: number, one: Prepared, rows: readonly (readonly unknown[])[]): void {
    this.counts.push(rows.length, rows.length);
    if (rows.length === 0) return;
    if (!this.#columns.has(id)) {
      this.#columns.set(
        id,
        one.statement.columns().map((column) => column.name),
      );
    }
    for (const row of rows) {
      for (const value of row) {
        this.values.push(value);
        if (value instanceof Uint8Array && value.byteLength >= WORTH_TRANSFERRING_BYTES) {
          this.transfers.push(value.buffer as ArrayBuffer);
        }
      }
    }
  }

  changes(count: number): void {
    this.counts.push(count, 0);
  }

  /** Where to come back to when an operation fails half-way. */
  mark(): readonly [number, number, number] {
    return [this.counts.length, this.values.length, this.transfers.length];
  }

  reset([counts, values, transfers]: readonly [number, number, number]): void {
    this.counts.length = counts;
    this.values.length = values;
    this.transfers.length = transfers;
  }

  fail(failure: StorageFailure): void {
    this.reset([0, 0, 0]);
    this.failures.length = 0;
    this.failed = failure;
  }

  message(kind: "reads" | "writes"): ThreadMessage {
    const { counts, values, columns, failures, failed } = this;
    return { kind, counts, values, columns, failures, failed };
  }
}

function open(): DatabaseSync {
  // Two processes that open a new file at once can be told "locked" without the busy handler ever being asked.
  const giveUpAt = performance.now() + options.busyTimeoutMs;
  for (let waitMs = 5; ; waitMs = Math.min(100, waitMs * 2)) {
    try {
      return configure(new DatabaseSync(options.file, { timeout: options.busyTimeoutMs }));
    } catch (error) {
      if (toFailure(error, false)?.reason !== "locked" || performance.now() > giveUpAt) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitMs);
    }
  }
}

function configure(connection: DatabaseSync): DatabaseSync {
  try {
    const mode = connection.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
    if (mode !== "wal" && !inMemory) throw storage("read-only", `its journal mode stays "${String(mode)}"`);
    // FULL syncs the log at every commit: what is acknowledged survives a loss of power, not only of the process.
    connection.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;");
    connection.prepare("SELECT count(*) FROM sqlite_schema").get();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

class StorageFailed extends Error {
  readonly failure: StorageFailure;

  constructor(failure: StorageFailure) {
    super(failure.detail);
    this.failure = failure;
  }
}

function storage(reason: StorageFailure["reason"], detail: string): StorageFailed {
  return new StorageFailed({ kind: "storage", reason, detail, maybe: false });
}

/** What failed, when it was the database as a whole; undefined when it was the statement. */
function toFailure(error: unknown, committing: boolean): StorageFailure | undefined {
  if (error instanceof StorageFailed) return error.failure;
  const code = (error as { errcode?: number }).errcode;
  if (code === undefined) return undefined;
  const reason = REASONS[code & 0xff];
  if (reason === undefined) return undefined;
  const detail = `${(error as Error).message} (SQLite ${code})`;
  if (reason === "input-output" && diskIsFull()) return { kind: "storage", reason: "full", detail, maybe: committing };
  // A commit record may have reached the file although syncing it failed: a crash right now could bring it back.
  return { kind: "storage", reason, detail, maybe: committing && reason === "input-output" };
}

const REASONS: Readonly<Record<number, StorageFailure["reason"]>> = {
  3: "cannot-open",
  5: "locked",
  6: "locked",
  7: "memory",
  8: "read-only",
  10: "input-output",
  11: "corrupt",
  13: "full",
  14: "cannot-open",
  15: "locked",
  26: "not-a-database",
};

function diskIsFull(): boolean {
  try {
    const disk = statfsSync(dirname(options.file));
    return disk.bavail * disk.bsize < 65_536;
  } catch {
    return false;
  }
}

/** The file system's own name of the database and its log: a removed or replaced file would swallow what is written. */
function identity(): string {
  if (inMemory) return "";
  return [options.file, `${options.file}-wal`]
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats === undefined ? "none" : `${stats.dev}:${stats.ino}`;
    })
    .join(" ");
}

function checkIdentity(): void {
  const now = identity();
  if (now !== openedIdentity) throw storage("gone", `it was ${openedIdentity} when opened and is ${now} now`);
}

function prepare(id: number): Prepared {
  let known = prepared.get(id);
  if (known === undefined) {
    const sql = texts.get(id) ?? "";
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    const returnsRows = statement.columns().length > 0;
    known = { sql, statement, returnsRows, changesRows: /^\s*(insert|update|delete|replace|with)\b/i.test(sql) };
    prepared.set(id, known);
  }
  return known;
}

/** Runs one statement and returns the rows it touched. */
function run(id: number, parameters: Value[], answers: AnswerWriter): number {
  const one = prepare(id);
  if (one.returnsRows) {
    const rows = one.statement.all(...parameters) as unknown as unknown[][];
    answers.rows(id, one, rows);
    return rows.length;
  }
  const { changes } = one.statement.run(...parameters);
  const count = one.changesRows ? Number(changes) : 0;
  answers.changes(count);
  return count;
}

function statementFailure(error: unknown, id: number): OperationFailure {
  return { kind: "statement", message: (error as Error).message, sql: texts.get(id) ?? "" };
}

function runReads(reader: BatchReader, count: number): AnswerWriter {
  const answers = new AnswerWriter();
  try {
    checkIdentity();
  } catch (error) {
    // The parameters must be passed over all the same: those of the writes come after them.
    for (let i = 0; i < count; i++) skip(reader);
    answers.fail(asFailure(error));
    return answers;
  }
  for (let i = 0; i < count; i++) {
    reader.number();
    const id = reader.number();
    const parameters = reader.parameters(reader.number());
    reader.number();
    const mark = answers.mark();
    try {
      run(id, parameters, answers);
    } catch (error) {
      answers.reset(mark);
      answers.failures.push([i, toFailure(error, false) ?? statementFailure(error, id)]);
    }
  }
  return answers;
}

function skip(reader: BatchReader): void {
  for (let left = reader.number(); left > 0; left--) {
    reader.number();
    reader.parameters(reader.number());
    reader.number();
  }
}

function runWrites(reader: BatchReader, count: number): AnswerWriter {
  const answers = new AnswerWriter();
  let committing = false;
  try {
    checkIdentity();
    begin.run();
    for (let i = 0; i < count; i++) runWrite(reader, i, answers);
    committing = true;
    commit.run();
    committing = false;
    checkIdentity();
  } catch (error) {
    if (db.isTransaction) rollback.run();
    answers.fail(asFailure(error, committing));
  }
  return answers;
}

/** One write within the group. Throws only what spoils the whole group. */
function runWrite(reader: BatchReader, operation: number, answers: AnswerWriter): void {
  const statements = readStatements(reader);
  const first = statements[0];
  if (first === undefined) return;
  const mark = answers.mark();
  // A lone statement that expects nothing is atomic by itself; a savepoint would triple what it costs.
  const needsSavepoint = statements.length > 1 || first.expected >= 0 || textReturnsRows(first.id);
  if (needsSavepoint) savepoint.run();
  const failure = runStatements(statements, answers);
  if (failure !== undefined) {
    answers.reset(mark);
    answers.failures.push([operation, failure]);
    if (!db.isTransaction) throw storage("input-output", "a statement ended the transaction it was part of");
    if (needsSavepoint) rollbackTo.run();
  }
  if (needsSavepoint) release.run();
}

interface Statement {
  readonly id: number;
  readonly parameters: Value[];
  readonly expected: number;
}

function readStatements(reader: BatchReader): Statement[] {
  const statements: Statement[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const id = reader.number();
    const parameters = reader.parameters(reader.number());
    statements.push({ id, parameters, expected: reader.number() });
  }
  return statements;
}

function textReturnsRows(id: number): boolean {
  try {
    return prepare(id).returnsRows;
  } catch {
    return true;
  }
}

function runStatements(statements: readonly Statement[], answers: AnswerWriter): OperationFailure | undefined {
  for (const [index, { id, parameters, expected }] of statements.entries()) {
    try {
      const rowCount = run(id, parameters, answers);
      if (expected >= 0 && rowCount !== expected) return { kind: "refused", index, expected, rowCount };
    } catch (error) {
      if (toFailure(error, false) !== undefined) throw error;
      return statementFailure(error, id);
    }
  }
  return undefined;
}

function asFailure(error: unknown, committing = false): StorageFailure {
  return toFailure(error, committing) ?? storage("input-output", (error as Error).message).failure;
}

function answer(batch: Batch): void {
  if (batch.forget) {
    texts.clear();
    prepared.clear();
  }
  for (const [id, sql] of batch.texts) texts.set(id, sql);
  const reader = new BatchReader(batch);
  if (batch.readCount > 0) post("reads", runReads(reader, batch.readCount));
  if (batch.writeCount > 0) post("writes", runWrites(reader, batch.writeCount));
}

function post(kind: "reads" | "writes", answers: AnswerWriter): void {
  parentPort?.postMessage(answers.message(kind), answers.transfers);
}

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

let db: DatabaseSync;
let begin: StatementSync;
let commit: StatementSync;
let rollback: StatementSync;
let savepoint: StatementSync;
let rollbackTo: StatementSync;
let release: StatementSync;
let openedIdentity = "";

try {
  db = open();
  begin = db.prepare("BEGIN IMMEDIATE");
  commit = db.prepare("COMMIT");
  rollback = db.prepare("ROLLBACK");
  savepoint = db.prepare("SAVEPOINT one");
  rollbackTo = db.prepare("ROLLBACK TO one");
  release = db.prepare("RELEASE one");
  openedIdentity = identity();
  parentPort?.on("message", (message: Batch | "close") => {
    if (message !== "close") return answer(message);
    db.close();
    tell({ kind: "closed" });
    parentPort?.close();
  });
  tell({ kind: "opened" });
} catch (error) {
  tell({ kind: "not-opened", failure: asFailure(error) });
}
