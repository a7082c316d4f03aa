/** ml's tables, in a file of its own: sources, series with their checkpoints, sealed blocks, and the unsealed tail. */
import { type CompiledQuery, sql } from "kysely";
import { columnTypes, createBuilder } from "#runtime/storage/builder.ts";
import { type Database, expecting, type Write } from "#runtime/storage/database.ts";
import type { Migration, Schema } from "#runtime/storage/migration.ts";
import { createShardEpochs } from "#runtime/storage/shard-epochs.ts";

interface SourceRow {
  readonly source: string;
  /** Sequence number up to which the tail has been sealed. */
  readonly sealed_seq: number;
  readonly cursor: string | null;
}

export interface SeriesRow {
  readonly source: string;
  readonly name: string;
  /** Numbers a source's series from 0 in the order of their first appearance; tail rows name series by it. */
  readonly number: number;
  readonly minimum_change: number | null;
  /** 1 when it keeps what it takes, else 0. */
  readonly accumulates: number;
  readonly points: number;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly last_value: number;
  readonly last_score: number;
  readonly late: number;
  /** The scorer's state after exactly `points` points; null before the first seal. */
  readonly checkpoint: Uint8Array | null;
}

/** A checkpoint that another program has replaced by one of its own format, of the same series. */
export interface CheckpointRow {
  readonly source: string;
  readonly series: number;
  readonly format: number;
  readonly points: number;
  readonly last_ms: number;
  readonly checkpoint: Uint8Array;
}

interface BlockRow {
  readonly source: string;
  readonly series: number;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly points: number;
  readonly data: Uint8Array;
}

interface TailTableRow {
  readonly source: string;
  readonly seq: number;
  readonly data: Uint8Array;
}

interface Tables {
  readonly ml_sources: SourceRow;
  readonly ml_series: SeriesRow;
  readonly ml_checkpoints: CheckpointRow;
  readonly ml_blocks: BlockRow;
  readonly ml_tail: TailTableRow;
}

const migrations: readonly Migration[] = [
  {
    version: 1,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .createTable("ml_sources")
        .addColumn("source", "text", (c) => c.primaryKey())
        .addColumn("sealed_seq", "bigint", (c) => c.notNull())
        .addColumn("cursor", "text")
        .compile(),
      q.schema
        .createTable("ml_series")
        .addColumn("source", "text", (c) => c.notNull())
        .addColumn("number", "integer", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("minimum_change", "double precision")
        .addColumn("points", "bigint", (c) => c.notNull())
        .addColumn("first_ms", "bigint", (c) => c.notNull())
        .addColumn("last_ms", "bigint", (c) => c.notNull())
        .addColumn("last_value", "double precision", (c) => c.notNull())
        .addColumn("last_score", "double precision", (c) => c.notNull())
        .addColumn("late", "bigint", (c) => c.notNull())
        .addColumn("checkpoint", columnTypes(q).bytes)
        .addPrimaryKeyConstraint("ml_series_key", ["source", "number"])
        .addUniqueConstraint("ml_series_name", ["source", "name"])
        .compile(),
      q.schema
        .createTable("ml_blocks")
        .addColumn("source", "text", (c) => c.notNull())
        .addColumn("series", "integer", (c) => c.notNull())
        .addColumn("first_ms", "bigint", (c) => c.notNull())
        .addColumn("last_ms", "bigint", (c) => c.notNull())
        .addColumn("points", "integer", (c) => c.notNull())
        .addColumn("data", columnTypes(q).bytes, (c) => c.notNull())
        .addPrimaryKeyConstraint("ml_blocks_key", ["source", "series", "first_ms"])
        .compile(),
      q.schema
        .createTable("ml_tail")
        .addColumn("source", "text", (c) => c.notNull())
        .addColumn("seq", "bigint", (c) => c.notNull())
        .addColumn("data", columnTypes(q).bytes, (c) => c.notNull())
        .addPrimaryKeyConstraint("ml_tail_key", ["source", "seq"])
        .compile(),
    ],
  },
  {
    version: 2,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .alterTable("ml_series")
        .addColumn("accumulates", "integer", (c) => c.notNull().defaultTo(0))
        .compile(),
    ],
  },
  {
    version: 3,
    oldestCompatible: 1,
    statements: (q) => [
      q.schema
        .createTable("ml_checkpoints")
        .addColumn("source", "text", (c) => c.notNull())
        .addColumn("series", "integer", (c) => c.notNull())
        .addColumn("format", "integer", (c) => c.notNull())
        .addColumn("points", "bigint", (c) => c.notNull())
        .addColumn("last_ms", "bigint", (c) => c.notNull())
        .addColumn("checkpoint", columnTypes(q).bytes, (c) => c.notNull())
        .addPrimaryKeyConstraint("ml_checkpoints_key", ["source", "series", "format"])
        .compile(),
    ],
  },
];

export const mlSchema: Schema = { owner: "ml", migrations };

/** The epoch a write is conditional on. */
export interface Fence {
  readonly shard: number;
  readonly epoch: number;
}

export type MlStore = ReturnType<typeof mlStore>;

export function mlStore(db: Database) {
  const q = createBuilder<Tables>(db.dialect);
  const epochs = createShardEpochs(db);
  const bytes = sql.raw(columnTypes(createBuilder<unknown>(db.dialect)).bytes);
  return {
    /** Everything needed to go on with a source, or undefined when it is new. */
    async load(source: string) {
      const [row] = await db.read(q.selectFrom("ml_sources").selectAll().where("source", "=", source).compile());
      const series = await db.read(
        q.selectFrom("ml_series").selectAll().where("source", "=", source).orderBy("number").compile(),
      );
      const kept = await db.read(q.selectFrom("ml_checkpoints").selectAll().where("source", "=", source).compile());
      const tail = await db.read(
        q.selectFrom("ml_tail").selectAll().where("source", "=", source).orderBy("seq").compile(),
      );
      return { row, series, kept, tail };
    },

    async sources() {
      return db.read(
        q
          .selectFrom("ml_series")
          .select((e) => [
            "source",
            e.fn.countAll<number>().as("series"),
            e.fn.sum<number>("points").as("points"),
            e.fn.max("last_ms").as("lastTimestampMs"),
          ])
          .groupBy("source")
          .orderBy("source")
          .compile(),
      );
    },

    async tails(source: string) {
      return db.read(q.selectFrom("ml_tail").selectAll().where("source", "=", source).orderBy("seq").compile());
    },

    async sourceNames() {
      return db.read(q.selectFrom("ml_sources").select("source").orderBy("source").compile());
    },

    async series(source: string, name: string): Promise<SeriesRow | undefined> {
      const rows = await db.read(
        q.selectFrom("ml_series").selectAll().where("source", "=", source).where("name", "=", name).compile(),
      );
      return rows[0];
    },

    /** Blocks that touch [fromMs, toMs], newest first. */
    async blocks(source: string, series: number, fromMs: number, toMs: number, limit: number) {
      return db.read(
        q
          .selectFrom("ml_blocks")
          .select(["first_ms", "last_ms", "points", "data"])
          .where("source", "=", source)
          .where("series", "=", series)
          .where("last_ms", ">=", fromMs)
          .where("first_ms", "<=", toMs)
          .orderBy("first_ms", "desc")
          .limit(limit)
          .compile(),
      );
    },

    /** Refuses the write it is part of when the epoch has moved on. */
    fence: (fence: Fence): Write => epochs.guard({ service: "ml", ...fence }),

    /** One tail row, only while the epoch stands: a single statement, since it is what every ingest costs. */
    appendTail(source: string, seq: number, data: Uint8Array, fence: Fence): Write {
      return expecting(
        q
          .insertInto("ml_tail")
          .columns(["source", "seq", "data"])
          .expression(
            epochs
              .row({ service: "ml", ...fence })
              .select([
                sql<string>`cast(${source} as text)`.as("source"),
                sql<number>`cast(${seq} as bigint)`.as("seq"),
                sql<Uint8Array>`cast(${data} as ${bytes})`.as("data"),
              ]),
          )
          .compile(),
      );
    },

    putSource(source: string, sealedSeq: number, cursor: string | null): CompiledQuery {
      return q
        .insertInto("ml_sources")
        .values({ source, sealed_seq: sealedSeq, cursor })
        .onConflict((c) => c.column("source").doUpdateSet({ sealed_seq: sealedSeq, cursor }))
        .compile();
    },

    /** Series rows with their checkpoints, a bounded number per statement. */
    putSeries(rows: readonly SeriesRow[]): CompiledQuery[] {
      return chunks(rows, 50).map((some) =>
        q
          .insertInto("ml_series")
          .values(some)
          .onConflict((c) =>
            c.columns(["source", "number"]).doUpdateSet((e) => ({
              minimum_change: e.ref("excluded.minimum_change"),
              accumulates: e.ref("excluded.accumulates"),
              points: e.ref("excluded.points"),
              first_ms: e.ref("excluded.first_ms"),
              last_ms: e.ref("excluded.last_ms"),
              last_value: e.ref("excluded.last_value"),
              last_score: e.ref("excluded.last_score"),
              late: e.ref("excluded.late"),
              checkpoint: e.ref("excluded.checkpoint"),
            })),
          )
          .compile(),
      );
    },

    /** Keeps checkpoints of other formats, and drops those of the source that more than `points` points have come since. */
    keepCheckpoints(source: string, rows: readonly CheckpointRow[], points: number): CompiledQuery[] {
      const keep = chunks(rows, 50).map((some) =>
        q
          .insertInto("ml_checkpoints")
          .values(some)
          .onConflict((c) =>
            c.columns(["source", "series", "format"]).doUpdateSet((e) => ({
              points: e.ref("excluded.points"),
              last_ms: e.ref("excluded.last_ms"),
              checkpoint: e.ref("excluded.checkpoint"),
            })),
          )
          .compile(),
      );
      const drop = q
        .deleteFrom("ml_checkpoints")
        .where("source", "=", source)
        .where(({ eb, selectFrom }) =>
          eb(
            eb("points", "+", points),
            "<",
            selectFrom("ml_series as s")
              .whereRef("s.source", "=", "ml_checkpoints.source")
              .whereRef("s.number", "=", "ml_checkpoints.series")
              .select("s.points"),
          ),
        );
      return [...keep, drop.compile()];
    },

    /** Blocks; the open block of a series is replaced until it is full. */
    putBlocks(rows: readonly BlockRow[]): CompiledQuery[] {
      return chunks(rows, 50).map((some) =>
        q
          .insertInto("ml_blocks")
          .values(some)
          .onConflict((c) =>
            c.columns(["source", "series", "first_ms"]).doUpdateSet((e) => ({
              last_ms: e.ref("excluded.last_ms"),
              points: e.ref("excluded.points"),
              data: e.ref("excluded.data"),
            })),
          )
          .compile(),
      );
    },

    deleteTail(source: string, upToSeq: number): CompiledQuery {
      return q.deleteFrom("ml_tail").where("source", "=", source).where("seq", "<=", upToSeq).compile();
    },
  };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let i = 0; i < items.length; i += size) result.push(items.slice(i, i + size));
  return result;
}
