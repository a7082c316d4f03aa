/**
 * Who may write a shard: the holder of its newest epoch. A claim raises the epoch; a write carries a guard that touches
 * a row only while its epoch is the newest, so an owner that has been replaced, but does not know, writes nothing.
 */
import { ServiceError } from "#core/service-error.ts";
import { createBuilder } from "./builder.ts";
import { type Database, expecting, type Write, WriteRefused, type WriteResult } from "./database.ts";
import type { Schema } from "./migration.ts";
import { CompiledQuery, type SelectQueryBuilder } from "kysely";

interface ShardTables {
  readonly shards: {
    readonly service: string;
    readonly shard: number;
    readonly epoch: number;
    readonly holder: string;
  };
}

/** Add it to the schemas of every database in which a service keeps sharded or single state. */
export const shardsSchema: Schema = {
  owner: "shards",
  migrations: [
    {
      version: 1,
      oldestCompatible: 1,
      statements: (builder) => [
        builder.schema
          .createTable("shards")
          .addColumn("service", "text", (column) => column.notNull())
          .addColumn("shard", "integer", (column) => column.notNull())
          .addColumn("epoch", "bigint", (column) => column.notNull())
          .addColumn("holder", "text", (column) => column.notNull())
          .addPrimaryKeyConstraint("shards_key", ["service", "shard"])
          .compile(),
      ],
    },
  ],
};

export interface OwnedShard {
  readonly service: string;
  readonly shard: number;
  readonly epoch: number;
}

export interface ShardEpochs {
  /** Makes `holder` the owner of the shards, whoever had them; their new epochs by shard. Each is 1 at first. */
  claim(service: string, shards: Iterable<number>, holder: string): Promise<Map<number, number>>;
  /** The statement that refuses its whole write once the shard has a newer epoch. Put it first. */
  guard(owned: OwnedShard): Write;
  /** The shard's row while the epoch is its newest, else none; for a statement that is its own guard. */
  row(owned: OwnedShard): SelectQueryBuilder<ShardTables, "shards", object>;
  /**
   * Runs `statements` as one write under the guard; results without that of the guard.
   * @throws ServiceError NOT_OWNER when the shard has a newer epoch: nothing was written, ask the new owner.
   */
  write(owned: OwnedShard, statements: readonly (Write | CompiledQuery<unknown>)[]): Promise<readonly WriteResult[]>;
}

export function createShardEpochs(db: Database): ShardEpochs {
  const builder = createBuilder<ShardTables>(db.dialect);

  const row = ({ service, shard, epoch }: OwnedShard) =>
    builder
      .selectFrom("shards")
      .where("service", "=", service)
      .where("shard", "=", shard)
      .where("epoch", "=", epoch)
      // SQLite has one writer at a time; elsewhere the row must not move between this look and the commit.
      .$if(db.dialect === "postgres", (select) => select.forShare());
  const { sql } = row({ service: "", shard: 0, epoch: 0 }).select("epoch").compile();
  // Every write of the spine carries a guard: its text is compiled once, which halves what the guard costs.
  const guard = ({ service, shard, epoch }: OwnedShard): Write =>
    expecting(CompiledQuery.raw(sql, [service, shard, epoch]));

  return {
    guard,
    row,
    async claim(service, shards, holder) {
      const values = [...new Set(shards)].map((shard) => ({ service, shard, epoch: 1, holder }));
      if (values.length === 0) return new Map();
      const claim = builder
        .insertInto("shards")
        .values(values)
        .onConflict((conflict) =>
          conflict.columns(["service", "shard"]).doUpdateSet((eb) => ({
            epoch: eb("shards.epoch", "+", 1),
            holder: eb.ref("excluded.holder"),
          })),
        )
        .returning(["shard", "epoch"])
        .compile();
      const [result] = await db.write([claim]);
      return new Map((result?.rows ?? []).map((row) => [row["shard"] as number, row["epoch"] as number]));
    },
    async write(owned, statements) {
      try {
        return (await db.write([guard(owned), ...statements])).slice(1);
      } catch (error) {
        if (!(error instanceof WriteRefused)) throw error;
        if (error.index === 0) throw notOwner(owned, error);
        throw shifted(error, statements);
      }
    },
  };
}

/** What a refused guard means to a caller. */
function notOwner({ service, shard, epoch }: OwnedShard, cause?: unknown): ServiceError {
  const what = `Shard ${shard} of "${service}" has a newer owner than epoch ${epoch}; nothing was written.`;
  return new ServiceError("NOT_OWNER", what, { cause });
}

/** The refusal counted in the caller's statements, which do not include the guard. */
function shifted(refused: WriteRefused, statements: readonly (Write | CompiledQuery<unknown>)[]): WriteRefused {
  const index = refused.index - 1;
  const statement = statements[index];
  const expected = statement !== undefined && "expectRows" in statement ? (statement.expectRows ?? 0) : 0;
  return new WriteRefused(index, expected, refused.rowCount);
}
