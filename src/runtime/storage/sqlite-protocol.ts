/**
 * What travels between a process and its SQLite thread. Everything of a batch is flattened into a few arrays, since the
 * structured clone of many small objects costs more than the SQL they describe.
 */

export interface SqliteThreadOptions {
  readonly file: string;
  readonly busyTimeoutMs: number;
}

/** To the thread: reads first, then writes that share one commit. */
export interface Batch {
  /** Statement texts the thread does not know yet, by number. */
  readonly texts: readonly (readonly [id: number, sql: string])[];
  /** Forget all texts known so far: the numbers start anew. */
  readonly forget: boolean;
  /** For each operation its number of statements, then for each statement: text, parameter count, expected rows or -1. */
  readonly shape: number[];
  readonly readCount: number;
  readonly writeCount: number;
  /** All parameters in order; bytes are `undefined` here and follow each other in `bytes`. */
  readonly values: SqliteValue[];
  readonly byteLengths: number[];
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

export type SqliteValue = number | bigint | string | null | undefined;

/** From the thread. Each batch is answered by `reads`, when it has some, then `writes`, when it has some. */
export type ThreadMessage =
  | { readonly kind: "opened" }
  | { readonly kind: "not-opened"; readonly failure: StorageFailure }
  | ({ readonly kind: "reads" | "writes" } & Answers)
  | { readonly kind: "closed" };

export interface Answers {
  /** For each statement of each operation that did not fail: rows touched, rows returned. */
  readonly counts: number[];
  /** The returned rows' values in order. */
  readonly values: unknown[];
  /** Column names of the texts that returned rows. */
  readonly columns: readonly (readonly [id: number, names: readonly string[]])[];
  /** Failures by the number of the operation. */
  readonly failures: readonly (readonly [operation: number, failure: OperationFailure])[];
  /** All operations failed together; nothing of them happened unless `maybe` says so. */
  readonly failed: StorageFailure | undefined;
}

export type OperationFailure =
  | { readonly kind: "refused"; readonly index: number; readonly expected: number; readonly rowCount: number }
  | { readonly kind: "statement"; readonly message: string; readonly sql: string }
  | StorageFailure;

/** The database could not be used. */
export interface StorageFailure {
  readonly kind: "storage";
  readonly reason:
    | "full"
    | "locked"
    | "gone"
    | "corrupt"
    | "not-a-database"
    | "read-only"
    | "cannot-open"
    | "input-output"
    | "memory";
  readonly detail: string;
  /** Whether the write may be found after all, when the commit itself failed half-way. */
  readonly maybe: boolean;
}
