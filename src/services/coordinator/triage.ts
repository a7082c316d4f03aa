/**
 * Turns crossings and changes into incidents with a decision. One report after another; each report's effects, its
 * decision and its task included, are one write, so that a crash neither repeats nor loses an action.
 */
import type { CompiledQuery } from "kysely";
import type { Change, Incident, RecordedChange, StoryEntry } from "#contracts/coordinator.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
import { ServiceError } from "#core/service-error.ts";
import { runDetached } from "#runtime/call.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { z } from "zod";
import type { CoordinatorConfig } from "./config.ts";
import {
  clearCrossing,
  type IncidentRecord,
  isNearby,
  joinIncident,
  openIncident,
  placeCrossing,
  quietAtMs,
  resolveIncident,
  toIncident,
} from "./incident.ts";
import type { IncidentFeed } from "./incident-feed.ts";
import type { IncidentStore } from "./incident-store.ts";
import type { CoordinatorMetrics } from "./metrics.ts";
import type { OwnedWrite } from "./owned-write.ts";
import type { Actions } from "./actions.ts";
import type { ActionStore } from "./action-store.ts";
import { createConclusions } from "./conclusions.ts";
import type { Decisions } from "./decisions.ts";
import { type Conclusion, createDeliberation, type Deliberation, type DeliberationDeps } from "./deliberation.ts";
import type { Silences } from "./silences.ts";
import * as story from "./story.ts";
import { isTolerated, tolerancesOf } from "./tolerance.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";
import type { Closing } from "./tasks.ts";

/** Topic under which the case of an incident goes to the memory; the body names the incident. */
export const REMEMBER_TOPIC = "state.remember";

export interface TriageDeps {
  readonly write: OwnedWrite;
  readonly store: IncidentStore;
  readonly outbox: Outbox;
  readonly feed: IncidentFeed;
  readonly decisions: Decisions;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Logger;
  readonly metrics: CoordinatorMetrics;
  readonly config: () => CoordinatorConfig;
  readonly tasksDoubted: () => void;
  readonly actions: Actions;
  readonly actionStore: ActionStore;
  readonly silences: Pick<Silences, "cover">;
  readonly gather: DeliberationDeps["gather"];
  readonly reason: DeliberationDeps["reason"];
}

export interface CrossingReport {
  readonly crossing: Crossing;
  readonly clearedAtMs: number | undefined;
}

export type Triage = ReturnType<typeof createTriage>;

const MAX_CHANGES_SHOWN = 50;
const PAUSE_AFTER_FAILURE_MS = 5_000;

export function createTriage(deps: TriageDeps) {
  const { write, store, outbox, feed, clock, ids, log, config } = deps;
  const open = new Map<string, IncidentRecord>();
  let epoch: number | undefined;
  let queue: Promise<unknown> = Promise.resolve();
  /** A write failed, perhaps half-way. */
  let isStale = false;
  let cancelTimer = () => {};
  const conclusions = createConclusions({ store, actions: deps.actions, decisions: deps.decisions, clock });
  let deliberation: Deliberation | undefined;

  function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const inTurn = async () => {
      if (isStale && epoch !== undefined) {
        await readOpen();
        await deps.actions.read([...open.keys()]);
      }
      return work();
    };
    const next = queue.then(inTurn);
    queue = next.catch(() => {});
    return next;
  }

  /** What is open must be read again before it is relied on. */
  function doubt(): void {
    isStale = true;
    deps.tasksDoubted();
  }

  async function readOpen(): Promise<void> {
    const incidents = await store.open();
    open.clear();
    for (const incident of incidents) open.set(incident.id, incident);
    isStale = false;
  }

  /** Stores an incident with its story, then shows it. Memory follows the disk, never the other way round. */
  async function commit(
    under: number,
    incident: IncidentRecord,
    entries: readonly StoryEntry[],
    also: readonly CompiledQuery<unknown>[],
  ): Promise<void> {
    try {
      await write(under, [store.put(incident), ...also, ...entries.map((entry) => store.tell(incident.id, entry))]);
    } catch (error) {
      doubt();
      throw error;
    }
    if (epoch === under) {
      if (incident.state === "open") open.set(incident.id, incident);
      else forget(incident.id);
      armTimer();
    }
    feed.publish(toIncident(incident));
  }

  function forget(id: string): void {
    open.delete(id);
    conclusions.forget(id);
    deps.decisions.over(id);
  }

  async function takeCrossing({ crossing, clearedAtMs }: CrossingReport, under: number): Promise<string | null> {
    const known = await store.crossing(crossing.id);
    if (known === undefined) {
      if (isTolerated(crossing, await deps.actionStore.tolerance(crossing))) return null;
      if (await deps.silences.cover(crossing)) return null;
      const incident = await place(crossing, under);
      if (clearedAtMs !== undefined) await clear(incident, crossing, clearedAtMs, under);
      return incident.id;
    }
    if (clearedAtMs !== undefined && !known.isCleared) {
      const incident = open.get(known.incidentId);
      if (incident !== undefined) await clear(incident, crossing, clearedAtMs, under);
      else await write(under, [store.clearCrossing(crossing, clearedAtMs)]);
    }
    return known.incidentId;
  }

  async function clear(incident: IncidentRecord, crossing: Crossing, clearedAtMs: number, under: number) {
    const nowMs = clock.now();
    await commit(
      under,
      clearCrossing(incident, crossing.id, clearedAtMs, nowMs),
      [story.cleared(crossing, clearedAtMs, nowMs)],
      [store.clearCrossing(crossing, clearedAtMs)],
    );
  }

  async function place(crossing: Crossing, under: number): Promise<IncidentRecord> {
    const startedMs = clock.monotonic();
    const nowMs = clock.now();
    const limits = config().incidents;
    const before = placeCrossing(crossing, open.values(), limits);
    const incident =
      before === undefined
        ? openIncident(ids.next("inc"), crossing, nowMs, limits)
        : joinIncident(before, crossing, nowMs, limits);
    const changes =
      before === undefined
        ? await store.changesBetween(
            crossing.startedAtMs - limits.changeMs,
            crossing.startedAtMs + limits.correlationMs,
            MAX_CHANGES_SHOWN,
          )
        : [];
    const decided = await deps.decisions.on(incident, undefined, before === undefined);
    const after = { ...incident, decision: decided.decision };
    await commit(
      under,
      after,
      [
        story.noticed(before === undefined ? "noticed" : "joined", crossing, nowMs),
        ...changes.map((change) => story.changed(change, nowMs)),
        ...decided.entries,
      ],
      [
        store.insertCrossing(crossing, incident.id),
        ...changes.map(({ id }) => store.linkChange(incident.id, id)),
        ...decided.statements,
      ],
    );
    deps.metrics.decided(clock.monotonic() - startedMs);
    decided.stored();
    conclusions.moved(incident.id);
    deliberation?.about(incident.id);
    return after;
  }

  async function conclude(id: string, conclusion: Conclusion, under: number): Promise<void> {
    const incident = open.get(id);
    const concluded = incident && (await conclusions.take(incident, conclusion));
    if (concluded === undefined) return;
    await commit(under, concluded.incident, concluded.entries, [
      ...concluded.statements,
      ...(concluded.isNews ? [remember(id)] : []),
    ]);
    concluded.stored();
    if (concluded.isNews) outbox.kick();
  }

  function startDeliberation(): void {
    deliberation = createDeliberation({
      gather: deps.gather,
      reason: deps.reason,
      openIncident: (id) => open.get(id),
      conclude: (id, conclusion) => inTurn((under) => conclude(id, conclusion, under)),
      took: (durationMs) => deps.metrics.deliberated(durationMs),
      clock,
      log,
    });
    for (const { id, uncleared } of open.values()) if (uncleared.size > 0) deliberation.about(id);
  }

  /** In order with everything else that changes incidents. @throws ServiceError NOT_OWNER */
  function inTurn<T>(work: (under: number) => Promise<T>): Promise<T> {
    return inOrder(async () => {
      if (epoch === undefined) throw new ServiceError("NOT_OWNER", "The coordinator has moved.");
      return work(epoch);
    });
  }

  async function takeLabel(
    id: string,
    label: NonNullable<Incident["label"]>,
    by: string,
    under: number,
  ): Promise<Incident | undefined> {
    const known = open.get(id) ?? (await store.get(id));
    if (known === undefined) return undefined;
    if (known.label === label) return toIncident(known);
    const nowMs = clock.now();
    const crossings = label === "not-an-incident" ? await store.crossingsOf(id) : [];
    const incident = { ...known, label, updatedAtMs: nowMs };
    await commit(
      under,
      incident,
      [story.labelled(label, by, nowMs)],
      [
        deps.actionStore.removeTolerances(id),
        ...tolerancesOf(crossings.map(({ crossing }) => crossing)).map((one) => deps.actionStore.putTolerance(one, id)),
        remember(id),
      ],
    );
    outbox.kick();
    return toIncident(incident);
  }

  /** The first who says so is told of; undefined for an unknown incident. */
  async function takeAcknowledgement(id: string, by: string, under: number): Promise<Incident | undefined> {
    const known = open.get(id) ?? (await store.get(id));
    if (known === undefined || known.acknowledgedBy !== null) return known && toIncident(known);
    const nowMs = clock.now();
    const incident = { ...known, acknowledgedBy: by, updatedAtMs: nowMs };
    await commit(under, incident, [story.acknowledged(by, nowMs)], []);
    return toIncident(incident);
  }

  async function takeChange(
    input: z.output<typeof Change>,
    under: number,
    storeAnswer: ((answer: { id: string }) => CompiledQuery) | undefined,
  ): Promise<{ id: string }> {
    const nowMs = clock.now();
    const change: RecordedChange = { ...input, id: input.id ?? ids.next("change"), atMs: input.atMs ?? nowMs };
    const answer = { id: change.id };
    const answered = storeAnswer === undefined ? [] : [storeAnswer(answer)];
    const isKnown = input.id !== undefined && (await store.hasChange(change.id));
    const effects = isKnown ? { statements: [], stored: () => {} } : recordChange(change, nowMs, null);
    await write(under, [...effects.statements, ...answered]);
    effects.stored();
    return answer;
  }

  /** Statements that record a change and show it in the open incidents it may have to do with; `cause` always has. */
  function recordChange(change: RecordedChange, nowMs: number, cause: string | null): Closing {
    const limits = config().incidents;
    const near = [...open.values()].filter(
      (incident) => incident.id === cause || isNearby(incident, change.atMs, limits),
    );
    return {
      statements: [
        store.insertChange(change),
        ...near.flatMap(({ id }) => [
          store.linkChange(id, change.id),
          store.tell(id, story.changed(change, nowMs)),
          store.touch(id, nowMs),
        ]),
      ],
      stored: () => {
        for (const { id } of near) touched(id, nowMs);
      },
    };
  }

  function touched(id: string, nowMs: number): void {
    const incident = open.get(id);
    if (incident !== undefined) {
      const after = { ...incident, updatedAtMs: nowMs };
      open.set(id, after);
      feed.publish(toIncident(after));
    } else if (feed.isWatched) {
      store.get(id).then(
        (found) => found && feed.publish(toIncident(found)),
        (error: unknown) => log.debug({ err: error, incidentId: id }, "A changed incident could not be shown."),
      );
    }
  }

  async function readThoughts(): Promise<void> {
    const ids = [...open.keys()];
    await deps.actions.read(ids);
    await conclusions.read(ids);
  }

  function remember(incidentId: string): CompiledQuery {
    return outbox.put({ id: ids.next("msg"), topic: REMEMBER_TOPIC, body: { incidentId } });
  }

  function armTimer(): void {
    cancelTimer();
    if (epoch === undefined || open.size === 0) return;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const incident of open.values()) nextMs = Math.min(nextMs, quietAtMs(incident, config().incidents));
    // A minute at most, since wall clocks are set and machines sleep.
    const delayMs = Math.min(60_000, Math.max(1, nextMs - clock.now()));
    runDetached(() => {
      cancelTimer = clock.after(delayMs, () => void resolveInOrder());
    });
  }

  async function resolveInOrder(): Promise<void> {
    try {
      await inOrder(resolveQuiet);
    } catch (error) {
      log.warn({ err: error }, "Quiet incidents could not be resolved; trying again.");
      cancelTimer = clock.after(PAUSE_AFTER_FAILURE_MS, () => void resolveInOrder());
    }
  }

  async function resolveQuiet(): Promise<void> {
    const under = epoch;
    if (under === undefined) return;
    const nowMs = clock.now();
    const quiet = [...open.values()].filter((incident) => quietAtMs(incident, config().incidents) <= nowMs);
    for (const incident of quiet) {
      const ending = deps.actions.ending(incident.id);
      await commit(
        under,
        resolveIncident(incident, nowMs),
        [story.resolved(incident.series.length, nowMs)],
        [remember(incident.id), ...ending.flatMap(({ statements }) => statements)],
      );
      for (const { stored } of ending) stored();
      outbox.kick();
    }
    armTimer();
  }

  return {
    /** The incident the crossing belongs to. */
    crossing: (report: CrossingReport, under: number) => inOrder(() => takeCrossing(report, under)),
    change: (...report: Parameters<typeof takeChange>) => inOrder(() => takeChange(...report)),

    /** What the end of a task means to incidents: the last page of the story, and a change when it made one. */
    closing(task: TaskRecord, event: TaskEvent): Closing | undefined {
      const nowMs = clock.now();
      const { incidentId } = task;
      const made = event.kind === "succeed" ? event.execution.change : null;
      const change =
        made === null
          ? undefined
          : recordChange(
              { ...made, id: `change_${task.id}`, atMs: nowMs, data: { taskId: task.id } },
              nowMs,
              incidentId,
            );
      if (incidentId === null) return change;
      const action = deps.actions.closing(task, event);
      const entries = [...story.attempted(task, event, nowMs), ...(action?.entries ?? [])];
      const isOver = task.state === "succeeded" || task.state === "failed" || task.state === "cancelled";
      return {
        statements: [
          ...(change?.statements ?? []),
          ...(action?.statements ?? []),
          ...entries.map((entry) => store.tell(incidentId, entry)),
          store.touch(incidentId, nowMs),
          ...(isOver ? [remember(incidentId)] : []),
        ],
        stored: () => {
          change?.stored();
          action?.stored();
          touched(incidentId, nowMs);
          outbox.kick();
        },
      };
    },

    async own(newEpoch: number | undefined): Promise<void> {
      epoch = undefined;
      cancelTimer();
      deps.actions.own(false);
      await deliberation?.stop();
      await queue;
      open.clear();
      if (newEpoch === undefined) return feed.dismiss();
      await readOpen();
      await readThoughts();
      epoch = newEpoch;
      armTimer();
      deps.actions.own(true);
      startDeliberation();
    },

    inTurn,

    /** Another process has finished what it had begun: its actions are as it left them. */
    endedElsewhere: () => inTurn(() => deps.actions.read([...open.keys()])),

    label: (id: string, label: NonNullable<Incident["label"]>, by: string) =>
      inTurn((under) => takeLabel(id, label, by, under)),

    doubt,

    acknowledge: (id: string, by: string) => inTurn((under) => takeAcknowledgement(id, by, under)),

    isOpen: (id: string) => open.has(id),
    openCount: () => open.size,
    touched: (id: string) => touched(id, clock.now()),

    reconfigured: armTimer,

    openIncidents: (): Incident[] => [...open.values()].map(toIncident),

    async close(): Promise<void> {
      epoch = undefined;
      cancelTimer();
      feed.dismiss();
      await deliberation?.stop();
      await deps.actions.close();
      await queue;
    },
  };
}
