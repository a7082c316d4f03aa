/**
 * Scores files as a sender and ml do, in one process that kills itself at the chosen moment of one batch.
 * Arguments: the database, the folder of the files, and as JSON where to be killed, or null.
 */
import { Registry } from "prom-client";
import { ml } from "#contracts/ml.ts";
import { systemClock } from "#core/clock.ts";
import { seededRandom } from "#core/random.ts";
import { SHARD_COUNT } from "#core/shard.ts";
import { createClient } from "#runtime/client/create-client.ts";
import type { Database } from "#runtime/storage/database.ts";
import { migrate } from "#runtime/storage/migrate.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { CROSSING_TOPIC, mlService } from "#services/ml/service.ts";
import { mlSchema, mlStore } from "#services/ml/store.ts";
import { memoryTransport } from "#testing/memory-transport.ts";
import { loadNab } from "#testing/nab.ts";
import { batchesOf, type Kill } from "./kills.ts";

const [file = "", folder = "", killAt = "null"] = process.argv.slice(2);
const kill = JSON.parse(killAt) as Kill | null;
let isArmed = false;

const die = () => process.kill(process.pid, "SIGKILL");

/** Dies in the armed write: when it was scored and not stored, while it is stored, or when it is stored and not told. */
function deadly(database: Database): Database {
  return {
    dialect: database.dialect,
    read: (query) => database.read(query),
    async write(statements) {
      if (!isArmed) return database.write(statements);
      if (kill?.when === "before") die();
      const writing = database.write(statements);
      if (kill?.when === "during") {
        await new Promise((resolve) => setTimeout(resolve, kill.delayMs));
        die();
      }
      const results = await writing;
      die();
      return results;
    },
    get statementCount() {
      return database.statementCount;
    },
    close: () => database.close(),
  };
}

const database = await openSqlite({ file });
await migrate(database, [shardsSchema, outboxSchema, mlSchema], systemClock);
const outbox = createOutbox({
  db: database,
  owner: "ml",
  clock: systemClock,
  random: seededRandom(1),
  log: silentLogger,
  metrics: new Registry(),
});
outbox.deliver(CROSSING_TOPIC, async () => {});
const watched = deadly(database);
const service = mlService({ database: watched, store: mlStore(watched), outbox, log: silentLogger });
const all = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);
await service.owned?.(await createShardEpochs(database).claim("ml", all, `pid ${process.pid}`));
const client = createClient(ml, { transport: memoryTransport([service]) });

for (const series of loadNab(folder)) {
  const source = `${series.group}/${series.name}`;
  const known = await client.source.try({ source });
  const stored = known.ok ? Number(known.value.cursor) : 0;
  for (const { from, to } of batchesOf(series)) {
    if (from < stored) continue;
    isArmed = kill?.source === source && kill.from === from;
    const points = Array.from(series.values.subarray(from, to), (value, i): [number, number] => [
      series.timestampsMs[from + i] ?? 0,
      value,
    ]);
    await client.ingest({ source, series: [{ name: "value", points }], cursor: String(to) });
  }
}
await service.close?.();
await database.close();
