/**
 * The actions that were decided on, from their beginning to the look at whether they helped. Each step of one is a single
 * write with the story and the task that come of it, so that a crash neither repeats nor forgets an action.
 */
import type { CompiledQuery } from "kysely";
import type { Action, Mode } from "#contracts/action.ts";
import { howToSettle, skillName } from "#contracts/action-text.ts";
import type { StoryEntry } from "#contracts/incident.ts";
import type { Maintenance } from "#contracts/policy.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import { ServiceError } from "#core/service-error.ts";
import { runDetached } from "#runtime/call.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { type ActionEvent, type ActionRecord, afterEvent, isToBeUndone } from "./action.ts";
import type { ActionStore } from "./action-store.ts";
import type { CoordinatorConfig } from "./config.ts";
import { judgeEffect, type SeriesSince } from "./effect-check.ts";
import type { OwnedWrite } from "./owned-write.ts";
import { heldByMaintenance } from "./policy/maintenance.ts";
import { createSteadyTime } from "./steady-time.ts";
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
  /** Values of an incident's series since a time, with the crossing that says what was routine. */
  readonly seriesSince: (incidentId: string, series: readonly string[], sinceMs: number) => Promise<SeriesSince[]>;
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

type Undoable = ActionRecord & { readonly undo: NonNullable<ActionRecord["undo"]> };

const LOOK_EVERY_MS = 1_000;
const HOUR_MS = 3_600_000;

export function createActions(deps: ActionsDeps) {
  const { store, outbox, clock, ids, log, config } = deps;
  const known = new Map<string, ActionRecord>();
  /** Since each came into its state, and since it was begun. */
  const inState = createSteadyTime(clock);
  const begun = createSteadyTime(clock);
  let maintenances: readonly Maintenance[] = [];
  let isOwner = false;
  let cancelTimer: (() => void) | undefined;
  let looking: Promise<void> = Promise.resolve();

  /** Wall time as it would be now had it not jumped since the action came into its state. */
  const steadyNow = (id: string) => inState.now(id);

  /**
   * Late by either clock is late: one may have been set back, the other stood still while the machine slept. In whole
   * milliseconds, since it is stored.
   */
  const latestNow = (id: string) => Math.max(clock.now(), Math.floor(steadyNow(id)));

  function keep(action: ActionRecord): void {
    inState.note(action.id, action.state);
    // What was observed would have been begun then.
    begun.note(action.id, action.begunAtMs ?? action.endedAtMs);
    known.set(action.id, action);
  }

  function forget(id: string): void {
    known.delete(id);
    inState.forget(id);
    begun.forget(id);
  }

  function forgetEnded(): void {
    for (const { id, incidentId, endedAtMs } of known.values()) {
      // Those of an open incident say which rules have been followed.
      if (endedAtMs !== null && !endedWithinHour(id) && !deps.isOpen(incidentId)) forget(id);
    }
  }

  function endedWithinHour(id: string): boolean {
    const endedAtMs = known.get(id)?.endedAtMs ?? null;
    return endedAtMs !== null && steadyNow(id) - endedAtMs <= HOUR_MS;
  }

  /**
   * A new action as it was decided, or what was held back as it is decided now. Undefined when that is still held for the
   * same reason.
   */
  async function create(action: NewAction, held: ActionRecord | undefined): Promise<Step | undefined> {
    const { id, createdAtMs } = held ?? { id: ids.next("act"), createdAtMs: clock.now() };
    const record: ActionRecord = { ...action, id, createdAtMs, taskId: null };
    if (record.state === "held" && held !== undefined) {
      return record.reason === held.reason ? undefined : toStep(record, [], []);
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

  async function taskFor(action: ActionRecord, skill: string, params: Action["params"], description: string) {
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
        keep(after);
        forgetEnded();
        for (const task of tasks) deps.taskAccepted(task);
        arm();
      },
    };
  }

  /** What a verdict leads to: learning from it, and taking back what did not help. */
  async function concluded(after: ActionRecord): Promise<Step> {
    const nowMs = clock.now();
    const entries = [story.actionChecked(after, nowMs)];
    const learn = learnFrom(after);
    if (after.state !== "useless" || !isToBeUndone(after)) return toStep(after, entries, [learn]);
    const held = heldByMaintenance(after, maintenances, nowMs);
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

  /** Looks at everything whose time has come. Only while there is something to look at. */
  function arm(): void {
    if (!isOwner || cancelTimer !== undefined) return;
    const waits = [...known.values()].some(
      (one) =>
        one.state === "checking" || (one.state === "proposed" && one.expiresAtMs !== null) || isWaitingForUndo(one),
    );
    if (!waits) return;
    cancelTimer = runDetached(() =>
      clock.after(LOOK_EVERY_MS, () => {
        cancelTimer = undefined;
        looking = look().finally(arm);
      }),
    );
  }

  async function look(): Promise<void> {
    // As they are now: looking changes them.
    for (const action of Array.from(known.values())) {
      if (!isOwner) return;
      try {
        if (action.state === "checking") await check(action);
        else if (isWaitingForUndo(action)) {
          if (heldByMaintenance(action, maintenances, clock.now()) === undefined) await takeBackAtLast(action);
        } else if (action.state === "proposed" && (action.expiresAtMs ?? Infinity) <= latestNow(action.id)) {
          await change(action.id, { kind: "expire" });
        }
      } catch (error) {
        log.warn({ err: error, actionId: action.id }, "An action could not be looked after; trying again.");
      }
    }
  }

  async function check(action: ActionRecord): Promise<void> {
    const { settleMs, withinMs, points, spreads } = config();
    const sinceMs = (action.actedAtMs ?? 0) + settleMs;
    const nowMs = steadyNow(action.id);
    if (nowMs < sinceMs) return;
    const series = await deps.seriesSince(action.incidentId, action.checkedSeries, sinceMs);
    const verdict = judgeEffect(series, { points, spreads });
    if (verdict.kind === "helped") {
      await change(action.id, { kind: "checked", verdict: "helped", evidence: verdict.evidence });
    } else if (nowMs >= sinceMs + withinMs) {
      const isSilent = verdict.kind === "silent";
      const since = action.isLost === true ? "its task was lost" : "it was done";
      const evidence = `${verdict.evidence.replace(/\.$/, "")}, ${Math.round(withinMs / 1_000)} s after ${since}.`;
      await change(action.id, { kind: "checked", verdict: isSilent ? "unsure" : "useless", evidence });
    }
  }

  /** One event in turn; undefined when the action's state no longer allows it. */
  function change(id: string, event: ActionEvent): Promise<ActionRecord | undefined> {
    return deps.inTurn(async (epoch) => {
      const before = known.get(id) ?? (await store.get(id));
      const nowMs = event.kind === "expire" ? latestNow(id) : clock.now();
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
    const maintenance = heldByMaintenance(action, maintenances, clock.now());
    if (maintenance !== undefined) return maintenance;
    if (deps.modeOf(action) === "observe") return observedByNow(action);
    return deps.heldBack(action);
  }

  return {
    create,

    ofIncident: (incidentId: string): readonly ActionRecord[] =>
      [...known.values()].filter((action) => action.incidentId === incidentId),

    /** Those of the last hour and those under way. */
    recent: (): readonly ActionRecord[] => [...known.values()],

    steadyNow,

    /** The same since it was begun, or would have been. */
    steadySinceBegun: (id: string): number => begun.now(id),

    maintenances: () => maintenances,

    /** What the end of a task means to the action it is of. */
    closing(task: TaskRecord, event: TaskEvent): (Closing & { readonly entries: readonly StoryEntry[] }) | undefined {
      const action = [...known.values()].find(({ taskId, undoTaskId }) => taskId === task.id || undoTaskId === task.id);
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
      const own = [...known.values()].filter((one) => one.incidentId === incidentId);
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
        const isLate = before.expiresAtMs !== null && before.expiresAtMs <= latestNow(id);
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

    /** In turn, as reading anew is: what was read before must not replace it. */
    async addMaintenance(epoch: number, maintenance: Omit<Maintenance, "id">): Promise<Maintenance> {
      const added = { ...maintenance, id: ids.next("mnt") };
      return deps.inTurn(async () => {
        await deps.write(epoch, [store.putMaintenance(added)]);
        maintenances = await store.maintenances(clock.now());
        return added;
      });
    },

    async removeMaintenance(epoch: number, id: string): Promise<boolean> {
      return deps.inTurn(async () => {
        const [removed] = await deps.write(epoch, [store.removeMaintenance(id)]);
        maintenances = await store.maintenances(clock.now());
        return (removed?.rowCount ?? 0) > 0;
      });
    },

    /** Reads what is stored: another process may have changed it. */
    async read(incidents: readonly string[]): Promise<void> {
      const before = new Map(known);
      const [current, planned, ...ofOpen] = await Promise.all([
        store.current(clock.now()),
        store.maintenances(clock.now()),
        ...incidents.map((id) => store.ofIncident(id)),
      ]);
      const found = new Map([...current, ...ofOpen.flat()].map((action) => [action.id, action]));
      // The end of a task may have been stored meanwhile: that is newer.
      const isAsBefore = (id: string) => known.get(id) === before.get(id);
      for (const id of known.keys()) {
        // By a wall clock that was set forward it may have ended long ago.
        if (!found.has(id) && isAsBefore(id) && !endedWithinHour(id)) forget(id);
      }
      for (const action of found.values()) if (isAsBefore(action.id)) keep(action);
      maintenances = planned;
      arm();
    },

    own(owns: boolean): void {
      isOwner = owns;
      cancelTimer?.();
      cancelTimer = undefined;
      arm();
    },

    async close(): Promise<void> {
      isOwner = false;
      cancelTimer?.();
      await looking;
    },
  };
}

const observedByNow = (action: ActionRecord): string => `The mode of ${skillName(action)} is observe by now.`;

const isWaitingForUndo = (action: ActionRecord): action is Undoable =>
  action.state === "undoing" && isToBeUndone(action);

/** Somebody was told of an incident by it, and has not been told of the end. */
function isToldWhenOver(action: ActionRecord): action is Undoable {
  return action.risk === "none" && action.state === "done" && action.undo !== null && action.undoTaskId === null;
}

function afterTask(action: ActionRecord, task: TaskRecord, event: TaskEvent, nowMs: number): ActionRecord | undefined {
  if (task.state === "succeeded" && event.kind === "succeed") {
    const { undo, effect } = event.execution;
    return afterEvent(action, { kind: "executed", taskId: task.id, undo, effect }, nowMs);
  }
  if (task.state !== "failed" && task.state !== "cancelled") return undefined;
  // Whoever stops a message need not say afterwards what became of it.
  const isStopped = task.state === "cancelled" && action.risk === "none";
  if (task.error?.code === "OUTCOME_UNKNOWN" && !isStopped) {
    return afterEvent(action, { kind: "task-lost", taskId: task.id }, nowMs);
  }
  const hasBegun = task.attempts > 0;
  const failed = task.error === null ? "Its task failed." : `${task.error.code}: ${task.error.message}`;
  const cancelled = hasBegun ? "Its task was cancelled." : "Its task was cancelled before it began.";
  const message = task.state === "failed" ? failed : cancelled;
  return afterEvent(action, { kind: "task-failed", taskId: task.id, message, hasBegun }, nowMs);
}

function required<T>(value: T | undefined, action: ActionRecord, what: string): T {
  if (value === undefined) throw new TypeError(`Action ${action.id} is ${action.state} and cannot be ${what}.`);
  return value;
}

/** What outsiders see of an action. */
export function toAction(record: ActionRecord): Action {
  const { risk: _risk, undo: _undo, rawConfidence: _raw, recalled: _recalled, ...action } = record;
  return action;
}
