/**
 * The actions that were decided on, from their beginning to the look at whether they helped. Each step of one is a single
 * write with the story and the task that come of it, so that a crash neither repeats nor forgets an action.
 */
import type { CompiledQuery } from "kysely";
import type { Mode } from "#contracts/action.ts";
import { howToSettle, skillName } from "#contracts/action-text.ts";
import type { StoryEntry } from "#contracts/incident.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import {
  type ActionEvent,
  type ActionRecord,
  afterEvent,
  afterTask,
  isToBeUndone,
  isToldWhenOver,
  isWaitingForUndo,
  type Undoable,
} from "./action.ts";
import type { ActionStore } from "./action-store.ts";
import type { CoordinatorConfig } from "./config.ts";
import { createDueActions, type DueActionsDeps } from "./due-actions.ts";
import { createKnownActions } from "./known-actions.ts";
import { createMaintenances } from "./maintenances.ts";
import type { OwnedWrite } from "./owned-write.ts";
import { heldByMaintenance } from "./policy/maintenance.ts";
import * as story from "./story.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";
import type { Closing, NewTask } from "./tasks.ts";

/** Topic under which the outcome of an action goes to those who learn from it; the body names the action. */
export const LEARN_TOPIC = "coordinator.learn";

/** Topic under which those who were told of an incident hear that it is over; the body names the incident. */
export const OVER_TOPIC = "coordinator.over";

/** What is to be done about an incident, and the incident's part of the story. */
export interface Step {
  readonly after: ActionRecord;
  readonly entries: readonly StoryEntry[];
  readonly statements: readonly CompiledQuery<unknown>[];
  /** Once they are on the disk. */
  readonly stored: () => void;
}

export interface ActionsDeps {
  readonly store: ActionStore;
  readonly outbox: Outbox;
  readonly write: OwnedWrite;
  /** Runs work in order with everything that changes incidents. @throws ServiceError NOT_OWNER */
  readonly inTurn: <T>(work: (epoch: number) => Promise<T>) => Promise<T>;
  readonly tell: (incidentId: string, entry: StoryEntry) => CompiledQuery;
  readonly isOpen: (incidentId: string) => boolean;
  /** Its story was added to. */
  readonly touched: (incidentId: string) => void;
  readonly prepareTask: (input: NewTask) => { readonly task: TaskRecord; readonly insert: CompiledQuery };
  readonly taskAccepted: (task: TaskRecord) => void;
  /** Whether a task of this type may be run twice, and how long it may take. */
  readonly routeOf: (skill: string) => Promise<{ readonly timeoutMs: number; readonly idempotent: boolean }>;
  readonly seriesSince: DueActionsDeps["seriesSince"];
  /** Why it must wait, as it is now. */
  readonly heldBack: (action: ActionRecord) => Promise<string | undefined>;
  /** How far it may go by the policy that is in force now. */
  readonly modeOf: (action: ActionRecord) => Mode;
  /** Told before it is begun. */
  readonly begins: (action: ActionRecord) => Promise<void>;
  /** What would take it back, as things are before it begins; null where nobody knows. */
  readonly undoOf: (action: ActionRecord) => Promise<ActionRecord["undo"]>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Logger;
  readonly config: () => CoordinatorConfig["effects"];
}

export type Actions = ReturnType<typeof createActions>;

/** An action as it was decided, before it has an id. */
export type NewAction = Omit<ActionRecord, "id" | "createdAtMs" | "taskId">;

export function createActions(deps: ActionsDeps) {
  const { store, outbox, clock, ids } = deps;
  const known = createKnownActions(deps);
  const maintenances = createMaintenances(deps);
  const due = createDueActions({ ...deps, known, maintenances, change, takeBack: takeBackAtLast });

  /**
   * A new action as it was decided, or what was held back as it is decided now; for another target it was not decided before.
   * Undefined when that is still held for the same reason.
   */
  async function create(action: NewAction, held: ActionRecord | undefined): Promise<Step | undefined> {
    const id = held?.id ?? ids.next("act");
    const createdAtMs = held?.target === action.target ? held.createdAtMs : clock.now();
    const record: ActionRecord = { ...action, id, createdAtMs, taskId: null };
    if (record.state === "held" && held !== undefined) {
      const isSame = record.reason === held.reason && record.target === held.target;
      return isSame ? undefined : toStep(record, [], []);
    }
    if (record.state !== "acting") return toStep(record, [story.actionDecided(record, clock.now())], []);
    // As held until its task is prepared: then both begin with one write.
    return begin({ ...record, state: "held" }, null);
  }

  async function begin(action: ActionRecord, by: string | null): Promise<Step> {
    const [undo] = await Promise.all([deps.undoOf(action), deps.begins(action)]);
    const { task, insert } = await taskFor(
      action,
      action.skill,
      action.params,
      `${action.skill} by rule "${action.rule}"`,
    );
    const after = required(
      afterEvent(action, { kind: "begin", taskId: task.id, by, undo }, clock.now()),
      action,
      "begun",
    );
    return toStep(after, [story.actionDecided(after, clock.now())], [insert], [task]);
  }

  async function taskFor(action: ActionRecord, skill: string, params: ActionRecord["params"], description: string) {
    const route = await deps.routeOf(skill);
    return deps.prepareTask({
      type: skill,
      description: `${description} for incident ${action.incidentId}`,
      params,
      priority: 8,
      maxAttempts: 3,
      timeoutMs: route.timeoutMs,
      repeatable: route.idempotent,
      submittedBy: action.decidedBy ?? "service:coordinator",
      incidentId: action.incidentId,
    });
  }

  function toStep(
    after: ActionRecord,
    entries: readonly StoryEntry[],
    also: readonly CompiledQuery<unknown>[],
    tasks: readonly TaskRecord[] = [],
  ): Step {
    return {
      after,
      entries,
      statements: [store.put(after), ...also],
      stored() {
        known.keep(after);
        for (const task of tasks) deps.taskAccepted(task);
        due.arm();
      },
    };
  }

  /** What a verdict leads to: learning from it, and taking back what did not help. */
  async function concluded(after: ActionRecord): Promise<Step> {
    const nowMs = clock.now();
    const entries = [story.actionChecked(after, nowMs)];
    const learn = learnFrom(after);
    if (after.state !== "useless" || !isToBeUndone(after)) return toStep(after, entries, [learn]);
    const held = heldByMaintenance(after, maintenances.all(), nowMs);
    if (held === undefined) return takeBack(after, entries, [learn]);
    const later = required(afterEvent(after, { kind: "undo-held", why: held }, nowMs), after, "taken back later");
    return toStep(later, [...entries, story.actionKept(later, held, nowMs)], [learn]);
  }

  /** Begins to, unless nothing may be done to its target any more. */
  async function takeBack(
    action: Undoable,
    entries: readonly StoryEntry[],
    also: readonly CompiledQuery<unknown>[],
  ): Promise<Step> {
    const nowMs = clock.now();
    if (deps.modeOf(action) === "observe") {
      const why = observedByNow(action);
      const kept = required(afterEvent(action, { kind: "undo-given-up", why }, nowMs), action, "left as it is");
      return toStep(kept, [...entries, story.actionKept(kept, why, nowMs)], also);
    }
    const { skill, params } = action.undo;
    const { task, insert } = await taskFor(action, skill, params, `Taking back ${action.skill}`);
    const undoing = required(afterEvent(action, { kind: "undo", taskId: task.id }, nowMs), action, "taken back");
    return toStep(undoing, entries, [...also, insert], [task]);
  }

  /** What was to be taken back when maintenance is over. */
  async function takeBackAtLast({ id }: ActionRecord): Promise<void> {
    await deps.inTurn(async (epoch) => {
      const action = known.get(id);
      if (action !== undefined && isWaitingForUndo(action)) await take(epoch, await takeBack(action, [], []));
    });
  }

  const learnFrom = (action: ActionRecord): CompiledQuery =>
    outbox.put({ id: ids.next("msg"), topic: LEARN_TOPIC, body: { actionId: action.id } });

  const tellOver = (incidentId: string): CompiledQuery =>
    outbox.put({ id: ids.next("msg"), topic: OVER_TOPIC, body: { incidentId } });

  async function take(epoch: number, step: Step): Promise<void> {
    const { incidentId } = step.after;
    await deps.write(epoch, [...step.statements, ...step.entries.map((entry) => deps.tell(incidentId, entry))]);
    step.stored();
    outbox.kick();
    deps.touched(incidentId);
  }

  /** One event in turn; undefined when the action's state no longer allows it. */
  function change(id: string, event: ActionEvent): Promise<ActionRecord | undefined> {
    return deps.inTurn(async (epoch) => {
      const before = known.get(id) ?? (await store.get(id));
      const nowMs = event.kind === "expire" ? known.latestNow(id) : clock.now();
      const after = before && afterEvent(before, event, nowMs);
      if (after === undefined) return undefined;
      const isVerdict = event.kind === "checked" || event.kind === "settle";
      const step = isVerdict ? await concluded(after) : toStep(after, [story.actionDecided(after, clock.now())], []);
      await take(epoch, step);
      return step.after;
    });
  }

  /** Why what was approved must not be begun, as it is now. */
  async function obstacleTo(action: ActionRecord): Promise<string | undefined> {
    const maintenance = heldByMaintenance(action, maintenances.all(), clock.now());
    if (maintenance !== undefined) return maintenance;
    if (deps.modeOf(action) === "observe") return observedByNow(action);
    return deps.heldBack(action);
  }

  return {
    create,

    maintenances,

    ofIncident: known.ofIncident,

    /** Those of the last hour and those under way. */
    recent: known.all,

    steadyNow: known.steadyNow,

    steadySinceBegun: known.steadySinceBegun,

    /** What the end of a task means to the action it is of. */
    closing(task: TaskRecord, event: TaskEvent): (Closing & { readonly entries: readonly StoryEntry[] }) | undefined {
      const action = known.all().find(({ taskId, undoTaskId }) => taskId === task.id || undoTaskId === task.id);
      if (action === undefined) return undefined;
      const after = afterTask(action, task, event, clock.now());
      if (after === undefined) return undefined;
      const entries = after.state === "undone" ? [story.actionUndone(after, clock.now())] : [];
      const isOutcome = after.state === "done" || after.state === "failed" || after.state === "unknown";
      const learn = isOutcome && after.risk !== "none" ? [learnFrom(after)] : [];
      // Its incident may have ended meanwhile, or end before this is stored.
      const told = isToldWhenOver(after) ? [tellOver(after.incidentId)] : [];
      const step = toStep(after, entries, [...learn, ...told]);
      return { statements: step.statements, entries, stored: step.stored };
    },

    /** The end of an incident: what was decided and had not been begun is over, and whoever was told of it will be told. */
    ending(incidentId: string): Closing {
      const own = known.ofIncident(incidentId);
      const ended = { state: "expired", reason: "The incident ended before.", endedAtMs: clock.now() } as const;
      const steps = own
        .filter(({ state }) => state === "held" || state === "proposed")
        .map((one) => toStep({ ...one, ...ended }, [], []));
      return {
        statements: [
          ...steps.flatMap(({ statements }) => statements),
          ...(own.some(isToldWhenOver) ? [tellOver(incidentId)] : []),
        ],
        stored: () => steps.forEach(({ stored }) => stored()),
      };
    },

    /** Tells whoever was told of an incident that it is over, once; nobody while it is not. */
    async tellOver(incidentId: string): Promise<void> {
      await deps.inTurn(async (epoch) => {
        if (deps.isOpen(incidentId)) return;
        for (const action of await store.ofIncident(incidentId)) {
          if (!isToldWhenOver(action)) continue;
          const { skill, params } = action.undo;
          const { task, insert } = await taskFor(action, skill, params, `${skill}: it is over,`);
          await take(epoch, toStep({ ...action, undoTaskId: task.id }, [], [insert], [task]));
        }
      });
    },

    /**
     * Undefined for an unknown one.
     * @throws ServiceError CONFLICT while another action, maintenance or the mode is in its way.
     */
    async decide(id: string, approve: boolean, by: string, reason: string) {
      return deps.inTurn(async (epoch) => {
        const before = known.get(id) ?? (await store.get(id));
        if (before === undefined) return undefined;
        const isRepeated =
          before.decidedBy === by && (before.state === "rejected") !== approve && before.state !== "proposed";
        if (isRepeated) return { action: before, isDecided: true };
        const isLate = before.expiresAtMs !== null && before.expiresAtMs <= known.latestNow(id);
        if (before.state !== "proposed" || isLate) return { action: before, isDecided: false };
        if (!approve) {
          const after = required(afterEvent(before, { kind: "reject", by, reason }, clock.now()), before, "rejected");
          await take(epoch, toStep(after, [story.actionDecided(after, clock.now())], []));
          return { action: after, isDecided: true };
        }
        const obstacle = await obstacleTo(before);
        if (obstacle !== undefined) {
          throw new ServiceError("CONFLICT", `It cannot be done now. ${obstacle} Approve it again when that is over.`, {
            started: "no",
          });
        }
        const step = await begin({ ...before, decidedBy: by }, by);
        await take(epoch, step);
        return { action: step.after, isDecided: true };
      });
    },

    /** A person says what became of one whose outcome nobody knew. Undefined for an unknown one. */
    async settle(id: string, outcome: "helped" | "useless" | "failed", by: string) {
      const before = known.get(id) ?? (await store.get(id));
      if (before === undefined) return undefined;
      const after = await change(id, { kind: "settle", outcome, by });
      return after === undefined ? { action: before, isSettled: false } : { action: after, isSettled: true };
    },

    /** @throws ServiceError CONFLICT for the task of an action with a risk: a new attempt would pass by all that gates it. */
    async allowRetry({ id, incidentId }: Pick<TaskRecord, "id" | "incidentId">): Promise<void> {
      if (incidentId === null) return;
      const decided = await store.ofIncident(incidentId);
      const action = decided.find(({ taskId, undoTaskId }) => taskId === id || undoTaskId === id);
      if (action === undefined || action.risk === "none") return;
      const { state } = action;
      const what =
        state === "unknown"
          ? howToSettle(action.id)
          : "If it must be done all the same, submit it as a task of its own.";
      const message = `Task "${id}" belongs to action "${action.id}" (${skillName(action)}), which is ${state}: trying it again would pass by modes, approval, maintenance and the limits on actions. ${what}`;
      throw new ServiceError("CONFLICT", message, { started: "no" });
    },

    /** Reads what is stored: another process may have changed it. */
    async read(incidents: readonly string[]): Promise<void> {
      // Those first: what is read next must not be looked at by older ones.
      await maintenances.read();
      await known.read(incidents);
      due.arm();
    },

    own: due.own,
    close: due.close,
  };
}

const observedByNow = (action: ActionRecord): string => `The mode of ${skillName(action)} is observe by now.`;

function required<T>(value: T | undefined, action: ActionRecord, what: string): T {
  if (value === undefined) throw new TypeError(`Action ${action.id} is ${action.state} and cannot be ${what}.`);
  return value;
}
