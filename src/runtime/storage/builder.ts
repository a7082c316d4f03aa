import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Database } from "./database.ts";

/**
 * A typed query builder that only compiles: `db.read(q.selectFrom("tasks").selectAll().compile())`. It holds no
 * connection, so nothing can run outside the Database seam.
 */
export function createBuilder<Tables>(dialect: Database["dialect"]): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect:
      dialect === "sqlite"
        ? {
            createAdapter: () => new SqliteAdapter(),
            createDriver: () => new DummyDriver(),
            createIntrospector: (db) => new SqliteIntrospector(db),
            createQueryCompiler: () => new SqliteQueryCompiler(),
          }
        : {
            createAdapter: () => new PostgresAdapter(),
            createDriver: () => new DummyDriver(),
            createIntrospector: (db) => new PostgresIntrospector(db),
            createQueryCompiler: () => new PostgresQueryCompiler(),
          },
  });
}

/** Column types that the dialects name differently, for migrations: `.addColumn("body", columnTypes(builder).bytes)`. */
export function columnTypes(builder: Kysely<unknown>): {
  /** Bytes, written and read as Uint8Array. */
  readonly bytes: "blob" | "bytea";
  /** A number given by the database, larger than that of every row before; make it the primary key. */
  readonly sequence: "integer" | "bigserial";
} {
  return builder.getExecutor().adapter instanceof PostgresAdapter
    ? { bytes: "bytea", sequence: "bigserial" }
    : { bytes: "blob", sequence: "integer" };
}
