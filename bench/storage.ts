/**
 * Durable writes per second: grouped by our storage, against one commit each by node:sqlite itself; and the same over
 * PostgreSQL where there is a server. Run: `node bench/storage.ts [writes]`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CompiledQuery } from "kysely";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import type { Database } from "#runtime/storage/database.ts";
import { openPostgres } from "#runtime/storage/postgres.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { systemClock } from "#core/clock.ts";
import { addressOf, createTestDatabase, findServer } from "../test/postgres/server.ts";

const writes = Number(process.argv[2] ?? 50_000);
const directory = mkdtempSync(join(tmpdir(), "seedcore-bench-"));
const CREATE = "create table rows (id integer primary key, name text, body blob)";
const INSERT = "insert into rows (name, body) values (?, ?)";
const body = new Uint8Array(64).fill(7);

const raw = new DatabaseSync(join(directory, "raw.db"));
raw.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${CREATE}`);
const insert = raw.prepare(INSERT);
const single = measure(2_000, () => insert.run("one commit each", body));
raw.exec("BEGIN");
const bare = measure(writes, () => insert.run("one big transaction", body));
raw.exec("COMMIT");
raw.close();

const sqlite = await openSqlite({ file: join(directory, "grouped.db") });
const results = [
  { what: "node:sqlite, one commit each", perSecond: single },
  ...(await measureOurs("SQLite", sqlite, CREATE, INSERT)),
  { what: "node:sqlite, one big transaction (the limit)", perSecond: bare },
];
rmSync(directory, { recursive: true });

if ((await findServer()) !== undefined) {
  const { url, drop } = await createTestDatabase();
  const postgres = await openPostgres({ url, address: addressOf(url), schema: "bench" });
  const create = "create table rows (id bigserial primary key, name text, body bytea)";
  const insertion = "insert into rows (name, body) values ($1, $2)";
  results.push(...(await measureOurs("PostgreSQL", postgres, create, insertion)));
  await drop();
}

console.table(
  results.map(({ what, perSecond }) => ({
    what,
    "writes/s": Math.round(perSecond),
    "x one commit each": Number((perSecond / single).toFixed(2)),
  })),
);

async function measureOurs(name: string, db: Database, create: string, insertion: string) {
  await db.write([CompiledQuery.raw(create)]);
  await migrate(db, [shardsSchema], systemClock);
  const epochs = createShardEpochs(db);
  const owned = { service: "bench", shard: 0, epoch: (await epochs.claim("bench", [0], "bench")).get(0) ?? 0 };
  const row = () => CompiledQuery.raw(insertion, ["grouped", body]);
  const write = () => db.write([row()]);
  const guarded = () => epochs.write(owned, [row()]);
  const found = [
    { what: `${name}, 1 caller`, perSecond: await measureCallers(1, 2_000, write) },
    { what: `${name}, 16 callers`, perSecond: await measureCallers(16, writes, write) },
    { what: `${name}, 256 callers`, perSecond: await measureCallers(256, writes, write) },
    { what: `${name}, 256 callers, under a shard's guard`, perSecond: await measureCallers(256, writes, guarded) },
  ];
  await db.close();
  return found;
}

function measure(count: number, work: () => unknown): number {
  const startedAt = performance.now();
  for (let i = 0; i < count; i++) work();
  return (count / (performance.now() - startedAt)) * 1_000;
}

/** So many callers, each with one write under way, as hosts have. */
async function measureCallers(callers: number, count: number, work: () => Promise<unknown>): Promise<number> {
  let left = count;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) await work();
    }),
  );
  return (count / (performance.now() - startedAt)) * 1_000;
}
