/** Keeps tasks until they have a result, and turns what is noticed into incidents with a decision. */
import { coordinator } from "#contracts/coordinator.ts";
import type { Skill } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import { toAction } from "./action.ts";
import type { Actions } from "./actions.ts";
import type { ActionStore } from "./action-store.ts";
import { modeProblems, skillProblem } from "./policy/skill-fit.ts";
import type { PolicyTrial } from "./policy-trial.ts";
import type { Settings } from "./settings.ts";
import type { Silences } from "./silences.ts";
import { toIncident } from "./incident.ts";
import type { IncidentFeed } from "./incident-feed.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { CoordinatorMetrics } from "./metrics.ts";
import { toTask, type TaskStore } from "./task-store.ts";
import type { Tasks } from "./tasks.ts";
import type { Triage } from "./triage.ts";

export interface CoordinatorDeps {
  readonly database: Database;
  readonly tasks: Tasks;
  readonly taskStore: TaskStore;
  readonly triage: Triage;
  readonly incidents: IncidentStore;
  readonly feed: IncidentFeed;
  readonly outbox: Outbox;
  readonly metrics: CoordinatorMetrics;
  readonly actions: Actions;
  readonly actionStore: ActionStore;
  readonly settings: Settings;
  readonly silences: Silences;
  readonly skills: () => Promise<ReadonlyMap<string, Skill>>;
  readonly tryPolicy: PolicyTrial;
  readonly clock: Clock;
  readonly owned: (epoch: number | undefined) => void;
}

export function coordinatorService(deps: CoordinatorDeps): Service<typeof coordinator> {
  const { tasks, taskStore, triage, incidents, feed, outbox, settings, actions, actionStore, silences } = deps;
  let epoch: number | undefined;

  return implement(
    coordinator,
    {
      async submitTask(input, { epoch, caller, storeAnswer }) {
        return tasks.submit(input, { subject: caller.subject, epoch }, storeAnswer);
      },

      async getTask({ id, waitMs }, { signal, fail, standBy }) {
        const task = await tasks.get(id, waitMs, { signal, standBy });
        if (task === undefined) throw fail("UNKNOWN_TASK", { id }, unknownTask(id));
        return task;
      },

      async listTasks({ state, type, limit, before }) {
        return tasks.list({ state, type, limit, before });
      },

      async cancelTask({ id }, { epoch, fail }) {
        const task = await tasks.cancel(id, epoch);
        if (task === undefined) throw fail("UNKNOWN_TASK", { id }, unknownTask(id));
        return task;
      },

      async retryTask({ id }, { epoch, fail, storeAnswer }) {
        const outcome = await tasks.retry(id, epoch, storeAnswer);
        if (outcome === undefined) throw fail("UNKNOWN_TASK", { id }, unknownTask(id));
        const { state } = outcome.task;
        if (outcome.isRetried) return outcome.task;
        const message = `Task "${id}" is ${state}; only a failed or cancelled one can be given new attempts.`;
        throw fail("NOT_RETRYABLE", { state }, message);
      },

      async reportCrossing({ id, crossing, clearedAtMs }) {
        if (id !== crossing.id) {
          const message = `The address names crossing "${id}", the body "${crossing.id}". Send one of them in both places.`;
          throw new ServiceError("INVALID_INPUT", message);
        }
        return { incidentId: await triage.crossing({ crossing, clearedAtMs }) };
      },

      async reportChange(change, { storeAnswer }) {
        return triage.change(change, storeAnswer);
      },

      async listIncidents({ state, sinceMs, limit }) {
        const { incidents: found, total } = await incidents.list({ state, sinceMs, limit });
        return { incidents: found.map(toIncident), total };
      },

      async getIncident({ id }, { fail }) {
        const [incident, parts, own, thought, decided] = await Promise.all([
          incidents.get(id),
          incidents.parts(id),
          taskStore.ofIncident(id),
          incidents.diagnosis(id),
          actionStore.ofIncident(id),
        ]);
        if (incident === undefined) {
          throw fail("UNKNOWN_INCIDENT", { id }, `There is no incident "${id}". listIncidents shows those there are.`);
        }
        return {
          ...toIncident(incident),
          ...parts,
          diagnosis: thought?.diagnosis ?? null,
          actions: decided.map(toAction),
          tasks: own.map(toTask),
        };
      },

      watchIncidents(_input, { signal }) {
        return feed.watch(async () => triage.openIncidents(), signal);
      },

      async labelIncident({ id, label }, { caller, fail }) {
        const incident = await triage.label(id, label, caller.subject);
        if (incident === undefined) throw fail("UNKNOWN_INCIDENT", { id }, unknownIncident(id));
        return incident;
      },

      async acknowledgeIncident({ id }, { caller, fail }) {
        const incident = await triage.acknowledge(id, caller.subject);
        if (incident === undefined) throw fail("UNKNOWN_INCIDENT", { id }, unknownIncident(id));
        return incident;
      },

      async silences() {
        return { silences: await silences.list() };
      },

      async addSilence({ series, fromMs, toMs, reason }, { epoch }) {
        const beginsMs = fromMs ?? deps.clock.now();
        if (toMs <= beginsMs) {
          throw new ServiceError("INVALID_INPUT", "A silence must end after it begins: give a later toMs.");
        }
        return silences.add(epoch, { series, fromMs: beginsMs, toMs, reason });
      },

      async removeSilence({ id }, { epoch }) {
        const removed = await silences.remove(epoch, id);
        if (removed) await triage.unsilenced();
        return { removed };
      },

      async listActions({ state, limit }) {
        const { actions: found, total } = await actionStore.list({ state, limit });
        return { actions: found.map(toAction), total };
      },

      async decideAction({ id, approve, reason }, { caller, fail }) {
        const outcome = await actions.decide(id, approve, caller.subject, reason);
        if (outcome === undefined) throw fail("UNKNOWN_ACTION", { id }, unknownAction(id));
        const { action, isDecided } = outcome;
        if (isDecided) return toAction(action);
        const message = `Action "${id}" is ${action.state} (${action.reason}) Only what is proposed, and not expired, can be decided on.`;
        throw fail("NOT_PROPOSED", { id, state: action.state }, message);
      },

      async settleAction({ id, outcome }, { caller, fail }) {
        const settled = await actions.settle(id, outcome, caller.subject);
        if (settled === undefined) throw fail("UNKNOWN_ACTION", { id }, unknownAction(id));
        const { action, isSettled } = settled;
        if (isSettled) return toAction(action);
        const message = `The outcome of action "${id}" is known: it is ${action.state}.`;
        throw fail("NOT_UNKNOWN", { id, state: action.state }, message);
      },

      async maintenances() {
        const nowMs = deps.clock.now();
        return { maintenances: actions.maintenances.all().filter(({ toMs }) => toMs > nowMs) };
      },

      async addMaintenance({ target, fromMs, toMs, reason }, { epoch }) {
        const beginsMs = fromMs ?? deps.clock.now();
        if (toMs <= beginsMs) {
          throw new ServiceError("INVALID_INPUT", "Maintenance must end after it begins: give a later toMs.");
        }
        return actions.maintenances.add(epoch, { target, fromMs: beginsMs, toMs, reason });
      },

      async removeMaintenance({ id }, { epoch }) {
        return { removed: await actions.maintenances.remove(epoch, id) };
      },

      async policy() {
        const { policy, modes } = settings.current();
        const skills = await deps.skills();
        const misfits =
          skills.size === 0
            ? []
            : [...policy.flatMap((rule) => skillProblem(rule, skills) ?? []), ...modeProblems(modes, skills)];
        return { rules: policy, modes, problems: misfits, refused: settings.refusal() };
      },

      async testPolicy(input) {
        return deps.tryPolicy(input);
      },

      async status() {
        const [byState, byIncidentState, byActionState] = await Promise.all([
          taskStore.countByState(),
          incidents.countByState(),
          actionStore.countByState(),
        ]);
        return {
          tasks: byState,
          incidents: byIncidentState,
          actions: byActionState,
          decisionP50Ms: deps.metrics.decisionP50Ms(),
        };
      },
    },
    {
      database: deps.database,

      async owned(shards) {
        const next = shards.get(0);
        if (next === epoch) return;
        epoch = next;
        deps.owned(next);
        await triage.own(next);
        await tasks.own(next);
        if (next !== undefined) await outbox.start();
      },

      async reconfigure(config) {
        settings.replace(config);
        triage.reconfigured();
      },

      async close() {
        await tasks.close();
        await triage.close();
        await outbox.close();
      },
    },
  );
}

const unknownTask = (id: string): string => `There is no task "${id}". listTasks shows those there are.`;
const unknownIncident = (id: string): string => `There is no incident "${id}". listIncidents shows those there are.`;
const unknownAction = (id: string): string => `There is no action "${id}". listActions shows those there are.`;
