import { cognitive } from "#contracts/cognitive.ts";
import { energy } from "#contracts/energy.ts";
import { ml } from "#contracts/ml.ts";
import { organism, type Skill } from "#contracts/organism.ts";
import { state } from "#contracts/state.ts";
import { telemetry } from "#contracts/telemetry.ts";
import type { CallGraph } from "#contracts/cognitive.ts";
import { createShardEpochs, shardsSchema } from "#runtime/storage/shard-epochs.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createOutbox } from "#runtime/storage/outbox-store.ts";
import { outboxSchema } from "#runtime/storage/outbox-schema.ts";
import { createActions, LEARN_TOPIC, OVER_TOPIC } from "./actions.ts";
import type { ActionRecord } from "./action.ts";
import { createActionStore } from "./action-store.ts";
import { heldBack } from "./blast-radius.ts";
import { createDecisions } from "./decisions.ts";
import { createEvidence } from "./evidence.ts";
import { createExperience } from "./experience.ts";
import { createIncidentFeed } from "./incident-feed.ts";
import { REMEMBER_TOPIC, toMemory } from "./incident-memory.ts";
import { createIncidentStore } from "./incident-store.ts";
import { createKept } from "./kept.ts";
import { createLearning } from "./learning.ts";
import { createMetrics } from "./metrics.ts";
import { createOwnedWrite, orDoubt } from "./owned-write.ts";
import { createPolicyTrial } from "./policy-trial.ts";
import { createRoutes } from "./routes.ts";
import { coordinatorSchema, type Tables } from "./schema.ts";
import { createSeriesSince } from "./series-since.ts";
import { createSilences } from "./silences.ts";
import { coordinatorService } from "./service.ts";
import { createSettings } from "./settings.ts";
import { createSystemFigures } from "./system-figures.ts";
import { createTaskStore } from "./task-store.ts";
import { createTasks } from "./tasks.ts";
import { createTriage, type Triage } from "./triage.ts";

const BACKGROUND = { priority: "background" } as const;
/** Answers the triage waits for. */
const BRIEF = { ...BACKGROUND, deadlineMs: 2_000 } as const;
const KEPT_MS = 5_000;
/** A task whose skill the organism does not know now still gets its chance, with these. */
const UNROUTED = { timeoutMs: 30_000, idempotent: false } as const;

export const create: ServiceFactory = async (context) => {
  const { clock, ids, random, log } = context;
  const settings = createSettings(context.config, log, clock);
  const config = () => settings.current();
  const database = await context.database("seedcore", [coordinatorSchema, shardsSchema, outboxSchema]);
  const builder = createBuilder<Tables>(database.dialect);
  const store = createTaskStore(database, builder);
  const incidents = createIncidentStore(database, builder);
  const actionStore = createActionStore(database, builder);
  const plainWrite = createOwnedWrite(createShardEpochs(database));
  /** What is in memory, or was to be told, must be read again before it is relied on. */
  const doubted = () => {
    triage.doubt();
    tasks.doubt();
  };
  const write = orDoubt(plainWrite, doubted);
  const silences = createSilences({ db: database, q: builder, write, clock, ids });
  const outbox = createOutbox({ db: database, owner: "coordinator", clock, random, log, metrics: context.metrics });
  const clients = {
    cognitive: context.client(cognitive),
    energy: context.client(energy),
    ml: context.client(ml),
    organism: context.client(organism),
    state: context.client(state),
    telemetry: context.client(telemetry),
  };
  const routes = createRoutes(clients.organism, clock);
  const feed = createIncidentFeed();
  let epoch: number | undefined;
  const metrics = createMetrics(context.metrics, {
    tasks: store,
    incidents,
    isOwner: () => epoch !== undefined,
    nowMs: () => clock.now(),
  });
  const kept = <T>(ask: () => Promise<T>, nothing: T) => createKept({ ask, nothing, keptMs: KEPT_MS, clock, log });
  const skills = kept<ReadonlyMap<string, Skill>>(async () => {
    const { skills: all } = await clients.organism.skills({}, BRIEF);
    return new Map(all.map((skill) => [skill.name, skill]));
  }, new Map());
  // All that is kept: who is seldom called is on the chain, too.
  const graph = kept<CallGraph | null>(() => clients.telemetry.callGraph({ beforeS: 1_800 }, BRIEF), null);
  const system = createSystemFigures(kept, clients, () => triage.openCount());
  const isHeldBack = async (action: ActionRecord, recent = actions.recent()) =>
    heldBack(action, recent, await graph(), config().blastRadius, actions.steadySinceBegun);

  // Tasks, actions and triage tell one another how things end: some know the others only when they are used.
  let triage: Triage;
  const tasks = createTasks({
    database,
    write,
    dispatchWrite: plainWrite,
    store,
    routes,
    clock,
    ids,
    random,
    log,
    metrics,
    organism: clients.organism,
    replicaId: context.replicaId,
    isAlive: (replicaId) =>
      context
        .engineStatus()
        .hosts.some((host) =>
          host.replicas.some(
            ({ id, state }) => id === replicaId && (state.kind === "ready" || state.kind === "draining"),
          ),
        ),
    config: () => config().tasks,
    doubted,
    endedElsewhere: () => {
      outbox.kick();
      triage.endedElsewhere().catch((error: unknown) => {
        log.debug({ err: error }, "Actions could not be read again.");
      });
    },
    closing: (task, event) => triage.closing(task, event),
    allowRetry: (task) => actions.allowRetry(task),
  });
  const actions = createActions({
    store: actionStore,
    outbox,
    write,
    inTurn: (work) => triage.inTurn(work),
    tell: (incidentId, entry) => incidents.tell(incidentId, entry),
    isOpen: (incidentId) => triage.isOpen(incidentId),
    touched: (incidentId) => triage.touched(incidentId),
    prepareTask: (input) => tasks.prepare(input),
    taskAccepted: (task) => tasks.accepted(task),
    routeOf: (skill) =>
      routes.resolve(skill, undefined).catch((error: unknown) => {
        log.warn({ err: error, skill }, "The organism could not say where a skill goes.");
        return UNROUTED;
      }),
    seriesSince: createSeriesSince(clients.ml, incidents),
    heldBack: isHeldBack,
    modeOf: ({ skill, target, risk }) => settings.policy().modeOf(skill, target, risk),
    begins: async ({ id, incidentId, skill, target, predictedDeltaE, rawDeltaE, risk }) => {
      if (risk === "none") return;
      await clients.energy
        .openEntry({ actionId: id, incidentId, skill, target, predictedDeltaE, rawDeltaE }, BRIEF)
        .catch((error: unknown) => log.debug({ err: error }, "The energy before an action is not known."));
    },
    undoOf: async ({ skill, params, risk }) => {
      if (risk === "none") return null;
      const { undo } = await clients.organism.undoOf({ type: skill, params }, BRIEF).catch((error: unknown) => {
        log.debug({ err: error, skill }, "What takes an action back is not known before it begins.");
        return { undo: null };
      });
      return undo;
    },
    clock,
    ids,
    log,
    config: () => config().effects,
  });
  const gather = createEvidence({
    telemetry: clients.telemetry,
    ml: clients.ml,
    state: clients.state,
    store: incidents,
    clock,
    log,
    limits: () => config().incidents,
  });
  triage = createTriage({
    write,
    store: incidents,
    outbox,
    feed,
    actions,
    actionStore,
    silences,
    decisions: createDecisions({
      policy: () => settings.policy(),
      actions,
      skills,
      system,
      heldBack: isHeldBack,
      weigh: createExperience({ cognitive: clients.cognitive, energy: clients.energy, log }),
      config,
      clock,
    }),
    gather,
    reason: (evidence) => clients.cognitive.reasonAboutFailure({ evidence }, BACKGROUND),
    clock,
    ids,
    log,
    metrics,
    config,
  });
  const learning = createLearning({
    actions: actionStore,
    incidents,
    cognitive: clients.cognitive,
    energy: clients.energy,
    state: clients.state,
    write: plainWrite,
    epoch: () => epoch,
  });

  outbox.deliver(REMEMBER_TOPIC, async ({ body }) => {
    const { incidentId } = body as { readonly incidentId: string };
    const [incident, { story }] = await Promise.all([incidents.get(incidentId), incidents.parts(incidentId)]);
    if (incident === undefined) return;
    await clients.state.remember(toMemory(incident, story), BACKGROUND);
    await learning.remember(incidentId);
  });
  outbox.deliver(OVER_TOPIC, ({ body }) => actions.tellOver((body as { readonly incidentId: string }).incidentId));
  outbox.deliver(LEARN_TOPIC, ({ body }) => learning.from((body as { readonly actionId: string }).actionId));

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
    silences,
    skills,
    actions,
    actionStore,
    tryPolicy: createPolicyTrial({ settings, incidents, actions: actionStore, skills, state: clients.state }),
    clock,
    owned: (next) => {
      epoch = next;
    },
  });
};
