import type { CompiledQuery, Kysely } from "kysely";

/**
 * One step of a service's schema. Expand, then contract: a step only adds until no running version needs the old form,
 * and `oldestCompatible` says which versions of the code may still run on the result.
 */
export interface Migration {
  /** 1, 2, 3 … without a gap. */
  readonly version: number;
  /** The lowest code version (the last migration it knows) that can run on a schema after this step. */
  readonly oldestCompatible: number;
  statements(builder: Kysely<unknown>): readonly CompiledQuery[];
}

/** The tables of one owner; no other service touches them. */
export interface Schema {
  readonly owner: string;
  readonly migrations: readonly Migration[];
}
