import { coordinator } from "#contracts/coordinator.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { CROSSING_TOPIC, mlService } from "./service.ts";
import { mlSchema, mlStore } from "./store.ts";

/** ml keeps its points in a file of its own, so that their volume never delays a task. */
export const create: ServiceFactory = async (context) => {
  const database = await context.database("points", [shardsSchema, outboxSchema, mlSchema]);
  const { clock, random, log, metrics } = context;
  const outbox = createOutbox({ db: database, owner: "ml", clock, random, log, metrics });
  const triage = context.client(coordinator);
  outbox.deliver(CROSSING_TOPIC, async ({ body }) => {
    await triage.reportCrossing(body as Parameters<typeof triage.reportCrossing>[0], { priority: "background" });
  });
  await outbox.start();
  return mlService({ database, store: mlStore(database), outbox, log });
};
