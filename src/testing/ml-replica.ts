import { Registry } from "prom-client";
import { ml } from "#contracts/ml.ts";
import { systemClock } from "#core/clock.ts";
import { seededRandom } from "#core/random.ts";
import { SHARD_COUNT } from "#core/shard.ts";
import { createClient } from "#runtime/client/create-client.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { createShardEpochs } from "#runtime/storage/shard-epochs.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { CROSSING_TOPIC, type MlDeps, mlService } from "#services/ml/service.ts";
import { mlStore } from "#services/ml/store.ts";
import { memoryTransport } from "./memory-transport.ts";

/** A replica of ml on `database`, all shards claimed anew; what it told the coordinator is in `told`. */
export async function startMlReplica(database: Database, options: Partial<MlDeps> = {}) {
  const told = new Map<string, unknown>();
  const outbox = createOutbox({
    db: database,
    owner: "ml",
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: new Registry(),
  });
  outbox.deliver(CROSSING_TOPIC, async ({ id, body }) => void told.set(id, body));
  const service = mlService({ database, store: mlStore(database), outbox, log: silentLogger, ...options });
  const all = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);
  await service.owned?.(await createShardEpochs(database).claim("ml", all, "test"));
  return { client: createClient(ml, { transport: memoryTransport([service]) }), service, outbox, told };
}
