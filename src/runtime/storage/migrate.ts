import { CompiledQuery } from "kysely";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { createBuilder } from "./builder.ts";
import { type Database, expecting, WriteRefused } from "./database.ts";
import type { Migration, Schema } from "./migration.ts";

interface Tables {
  schema_versions: { owner: string; version: number; oldest_compatible: number; migrated_ms: number };
}

/**
 * Brings the tables of each owner to the newest form this code knows. Each step is one transaction, conditional on the
 * version before it, so two processes may do it at once. A newer form is used as it is, as long as it allows that.
 * @throws ServiceError STORAGE when the database says that this code is too old for it; nothing was changed then.
 */
export async function migrate(db: Database, schemas: readonly Schema[], clock: Clock): Promise<void> {
  for (const schema of schemas) checkSteps(schema);
  const builder = createBuilder<Tables>(db.dialect);
  await db.write([
    ...turns(db),
    builder.schema
      .createTable("schema_versions")
      .ifNotExists()
      .addColumn("owner", "text", (column) => column.primaryKey())
      .addColumn("version", "integer", (column) => column.notNull())
      .addColumn("oldest_compatible", "integer", (column) => column.notNull())
      .addColumn("migrated_ms", "bigint", (column) => column.notNull())
      .compile(),
  ]);
  const versions = await readVersions(db);
  for (const schema of schemas) refuseTooNew(schema, versions);
  await Promise.all(schemas.map((schema) => migrateOwner(db, schema, versions.get(schema.owner)?.version ?? 0, clock)));
}

async function migrateOwner(db: Database, schema: Schema, from: number, clock: Clock): Promise<void> {
  let version = from;
  for (let step = schema.migrations[version]; step !== undefined; step = schema.migrations[version]) {
    try {
      await db.write([
        ...turns(db),
        expecting(versionChange(db, schema.owner, step, clock.now())),
        ...step.statements(createBuilder<unknown>(db.dialect)),
      ]);
      version = step.version;
    } catch (error) {
      if (!(error instanceof WriteRefused)) throw error;
      // Another process took this step first: go on from where it got to.
      const versions = await readVersions(db);
      refuseTooNew(schema, versions);
      version = versions.get(schema.owner)?.version ?? 0;
    }
  }
}

/**
 * Lets one process migrate at a time. PostgreSQL's "if not exists" does not see a table that another is making, and two
 * that make tables in different orders would lock each other out. Waits for its turn longer than for other locks.
 */
function turns(db: Database): readonly CompiledQuery[] {
  return db.dialect === "postgres" ? TAKE_TURN : [];
}

const TAKE_TURN = [
  "select set_config('lock_timeout', '30s', true)",
  "select pg_advisory_xact_lock(hashtextextended(current_schema(), 0))",
  "select set_config('lock_timeout', '3s', true)",
].map((text) => CompiledQuery.raw(text));

/** Touches one row if and only if the version before the step is still the present one. */
function versionChange(db: Database, owner: string, step: Migration, nowMs: number) {
  const builder = createBuilder<Tables>(db.dialect);
  const row = { version: step.version, oldest_compatible: step.oldestCompatible, migrated_ms: nowMs };
  if (step.version === 1) {
    return builder
      .insertInto("schema_versions")
      .values({ owner, ...row })
      .onConflict((conflict) => conflict.column("owner").doNothing())
      .compile();
  }
  return builder
    .updateTable("schema_versions")
    .set(row)
    .where("owner", "=", owner)
    .where("version", "=", step.version - 1)
    .compile();
}

type Versions = ReadonlyMap<string, { readonly version: number; readonly oldest_compatible: number }>;

async function readVersions(db: Database): Promise<Versions> {
  const query = createBuilder<Tables>(db.dialect)
    .selectFrom("schema_versions")
    .select(["owner", "version", "oldest_compatible"]);
  const rows = await db.read(query.compile());
  return new Map(rows.map((row) => [row.owner, row]));
}

function refuseTooNew(schema: Schema, versions: Versions): void {
  const known = schema.migrations.length;
  const found = versions.get(schema.owner);
  if (found === undefined || found.oldest_compatible <= known) return;
  throw new ServiceError(
    "STORAGE",
    `The database is too new: the tables of "${schema.owner}" have version ${found.version}, which needs code that ` +
      `knows version ${found.oldest_compatible}; this code knows ${known}. Nothing was changed. ` +
      "Update SeedCore, or restore a backup made by this version.",
    { data: { reason: "too-new", owner: schema.owner } },
  );
}

function checkSteps(schema: Schema): void {
  for (const [index, step] of schema.migrations.entries()) {
    if (step.version !== index + 1 || step.oldestCompatible > step.version || step.oldestCompatible < 1) {
      throw new TypeError(
        `Migration ${step.version} of "${schema.owner}" is out of place: versions are 1, 2, 3 … without a gap, and ` +
          "oldestCompatible is between 1 and the version.",
      );
    }
  }
}
