import { organism } from "#contracts/organism.ts";
import { state } from "#contracts/state.ts";
import { shardsSchema, createShardEpochs } from "#runtime/storage/shard-epochs.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { CoordinatorConfig } from "./config.ts";
import { createDecisions } from "./decisions.ts";
import { createIncidentFeed } from "./incident-feed.ts";
import { toMemory } from "./incident-memory.ts";
import { createIncidentStore } from "./incident-store.ts";
import { createMetrics } from "./metrics.ts";
import { createOwnedWrite } from "./owned-write.ts";
import { createRecall } from "./recall.ts";
import { createRoutes } from "./routes.ts";
import { coordinatorSchema, type Tables } from "./schema.ts";
import { coordinatorService } from "./service.ts";
import { createTaskStore } from "./task-store.ts";
import { createTasks } from "./tasks.ts";
import { createTriage, REMEMBER_TOPIC, type Triage } from "./triage.ts";

export const create: ServiceFactory = async (context) => {
  const { clock, ids, random, log } = context;
  const settings = { current: CoordinatorConfig.parse(context.config ?? {}) };
  const database = await context.database("seedcore", [coordinatorSchema, shardsSchema, outboxSchema]);
  const builder = createBuilder<Tables>(database.dialect);
  const store = createTaskStore(database, builder);
  const incidents = createIncidentStore(database, builder);
  const write = createOwnedWrite(createShardEpochs(database));
  const outbox = createOutbox({ db: database, owner: "coordinator", clock, random, log, metrics: context.metrics });
  const organismClient = context.client(organism);
  const stateClient = context.client(state);
  const routes = createRoutes(organismClient, clock);
  const feed = createIncidentFeed();
  let epoch: number | undefined;
  const metrics = createMetrics(context.metrics, {
    tasks: store,
    incidents,
    isOwner: () => epoch !== undefined,
    nowMs: () => clock.now(),
  });

  // Tasks tell triage how they end, and triage makes tasks: one of the two knows the other only when it is used.
  let triage: Triage;
  const tasks = createTasks({
    database,
    write,
    store,
    routes,
    clock,
    ids,
    random,
    log,
    metrics,
    organism: organismClient,
    replicaId: context.replicaId,
    isAlive: (replicaId) =>
      context
        .engineStatus()
        .hosts.some((host) =>
          host.replicas.some(
            ({ id, state }) => id === replicaId && (state.kind === "ready" || state.kind === "draining"),
          ),
        ),
    config: () => settings.current.tasks,
    endedElsewhere: () => outbox.kick(),
    closing: (task, event) => triage.closing(task, event),
  });
  triage = createTriage({
    write,
    store: incidents,
    outbox,
    feed,
    decisions: createDecisions({
      policy: () => settings.current.policy,
      routes,
      prepareTask: (input) => tasks.prepare(input),
      clock,
      log,
    }),
    clock,
    ids,
    log,
    metrics,
    config: () => settings.current,
    taskAccepted: (task) => tasks.accepted(task),
    tasksDoubted: () => tasks.doubted(),
    recall: createRecall(async (text) => {
      const { hits } = await stateClient.search({ query: text.slice(0, 1_000), kind: "incident", limit: 3 });
      return hits.map(({ memory }) => ({ id: memory.id, text: memory.text.split("\n", 1)[0] ?? "" }));
    }, clock),
  });

  outbox.deliver(REMEMBER_TOPIC, async ({ body }) => {
    const { incidentId } = body as { readonly incidentId: string };
    const [incident, { story }] = await Promise.all([incidents.get(incidentId), incidents.parts(incidentId)]);
    if (incident !== undefined) await stateClient.remember(toMemory(incident, story), { priority: "background" });
  });

  return coordinatorService({
    database,
    tasks,
    taskStore: store,
    triage,
    incidents,
    feed,
    outbox,
    metrics,
    settings,
    owned: (next) => {
      epoch = next;
    },
  });
};
