/**
 * The seam to a database. Reads are single statements; a write is a list of statements that happen together or not at
 * all, given up front: there is nothing to await inside a transaction, so none can be left open, and writes of many
 * callers can be grouped into one commit.
 */
import type { CompiledQuery } from "kysely";

export interface Row {
  readonly [column: string]: unknown;
}

export interface Write {
  readonly query: CompiledQuery<unknown>;
  /** Rows the statement must touch (change or return); otherwise nothing of this write happens: WriteRefused. */
  readonly expectRows?: number;
}

export interface WriteResult {
  /** Rows changed, or returned by a RETURNING or SELECT statement. */
  readonly rowCount: number;
  /** Rows of a statement with RETURNING, or of a SELECT; else empty. */
  readonly rows: readonly Row[];
}

/** Nothing of the write happened: a statement did not touch the rows it had to. */
export class WriteRefused extends Error {
  override readonly name = "WriteRefused";
  readonly index: number;
  readonly rowCount: number;

  /** @param index of the statement that refused, @param rowCount the rows it touched */
  constructor(index: number, expected: number, rowCount: number) {
    super(
      `Statement ${index} of the write touched ${rowCount} rows where ${expected} were expected; nothing was written.`,
    );
    this.index = index;
    this.rowCount = rowCount;
  }
}

export interface Database {
  readonly dialect: "sqlite" | "postgres";
  /** Runs one SELECT. Integers come as numbers, JSON and text as strings, bytes as Uint8Array, booleans as 0 or 1. */
  read<R>(query: CompiledQuery<R>): Promise<R[]>;
  /**
   * Runs the statements as one transaction. Resolves when the commit is durable.
   * @throws WriteRefused when an `expectRows` is not met; ServiceError STORAGE when the database cannot be written.
   */
  write(statements: readonly (Write | CompiledQuery<unknown>)[]): Promise<readonly WriteResult[]>;
  /** Statements run since the start, for metrics and for the promise that an idle host is quiet. */
  readonly statementCount: number;
  close(): Promise<void>;
}

/** Requires that `query` touches exactly `rows` rows. */
export function expecting(query: CompiledQuery<unknown>, rows = 1): Write {
  return { query, expectRows: rows };
}
