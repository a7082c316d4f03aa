/** The watched sources as rows. A removed one stays as a mark, so that a default is not put back at the next start. */
import type { CompiledQuery } from "kysely";
import { SourceSpec, telemetry } from "#contracts/telemetry.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Schema } from "#runtime/storage/migration.ts";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";

interface SourceRow {
  readonly name: string;
  readonly spec: string;
  readonly removed: number;
  readonly created_at_ms: number;
  readonly updated_at_ms: number;
}

const sourcesSchema: Schema = {
  owner: "telemetry",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (q) => [
        q.schema
          .createTable("sources")
          .addColumn("name", "text", (c) => c.primaryKey())
          .addColumn("spec", "text", (c) => c.notNull())
          .addColumn("removed", "integer", (c) => c.notNull())
          .addColumn("created_at_ms", "bigint", (c) => c.notNull())
          .addColumn("updated_at_ms", "bigint", (c) => c.notNull())
          .compile(),
      ],
    },
  ],
};

/** What the organism's database must have before `createSourceStore`. */
export const SOURCE_SCHEMAS: readonly Schema[] = [shardsSchema, sourcesSchema];

export interface StoredSource {
  readonly name: string;
  readonly spec: SourceSpec;
}

export interface SourceStore {
  list(): Promise<readonly StoredSource[]>;
  /** Inserts those whose name was never used. @throws ServiceError NOT_OWNER when `epoch` is over. */
  insertDefaults(sources: readonly StoredSource[], epoch: number, nowMs: number): Promise<void>;
  /** Inserts or replaces. `also` is written in the same transaction. @throws ServiceError NOT_OWNER when `epoch` is over. */
  put(source: StoredSource, epoch: number, nowMs: number, also?: readonly CompiledQuery[]): Promise<void>;
  /** @throws ServiceError NOT_OWNER when `epoch` is over. */
  remove(name: string, epoch: number, nowMs: number, also?: readonly CompiledQuery[]): Promise<void>;
}

export function createSourceStore(database: Database): SourceStore {
  const q = createBuilder<{ sources: SourceRow }>(database.dialect);

  const epochs = createShardEpochs(database);
  const write = (epoch: number, statements: readonly CompiledQuery[]) =>
    epochs.write({ service: telemetry.name, shard: 0, epoch }, statements);

  const row = ({ name, spec }: StoredSource, nowMs: number): SourceRow => ({
    name,
    spec: JSON.stringify(spec),
    removed: 0,
    created_at_ms: nowMs,
    updated_at_ms: nowMs,
  });

  return {
    async list() {
      const query = q.selectFrom("sources").select(["name", "spec"]).where("removed", "=", 0).orderBy("created_at_ms");
      const rows = await database.read(query.orderBy("name").compile());
      return rows.map(({ name, spec }) => ({ name, spec: SourceSpec.parse(JSON.parse(spec)) }));
    },

    async insertDefaults(sources, epoch, nowMs) {
      if (sources.length === 0) return;
      const values = sources.map((source) => row(source, nowMs));
      const insert = q.insertInto("sources").values(values);
      await write(epoch, [insert.onConflict((c) => c.column("name").doNothing()).compile()]);
    },

    async put(source, epoch, nowMs, also = []) {
      const values = row(source, nowMs);
      const replaced = { spec: values.spec, removed: 0, updated_at_ms: nowMs };
      const insert = q.insertInto("sources").values(values);
      const upsert = insert.onConflict((c) => c.column("name").doUpdateSet(replaced)).compile();
      await write(epoch, [upsert, ...also]);
    },

    async remove(name, epoch, nowMs, also = []) {
      const update = q.updateTable("sources").set({ removed: 1, updated_at_ms: nowMs }).where("name", "=", name);
      await write(epoch, [update.compile(), ...also]);
    },
  };
}
