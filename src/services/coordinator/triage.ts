/**
 * Turns crossings and changes into incidents with a decision. One report after another; each report's effects, its
 * decision and its task included, are one write, so that a crash neither repeats nor loses an action.
 */
import type { CompiledQuery } from "kysely";
import type { Change, Incident, RecordedChange, StoryEntry } from "#contracts/coordinator.ts";
import type { Crossing } from "#contracts/ml.ts";
import type { Clock } from "#core/clock.ts";
import type { Ids } from "#core/ids.ts";
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
import type { Decisions } from "./decisions.ts";
import type { Recall } from "./recall.ts";
import * as story from "./story.ts";
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
  readonly taskAccepted: (task: TaskRecord) => void;
  readonly tasksDoubted: () => void;
  readonly recall: Recall;
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
  /** A write failed, perhaps half-way: what is open must be read again before it is relied on. */
  let isStale = false;
  let cancelTimer = () => {};

  function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const inTurn = async () => {
      if (isStale && epoch !== undefined) await readOpen();
      return work();
    };
    const next = queue.then(inTurn);
    queue = next.catch(() => {});
    return next;
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
      isStale = true;
      deps.tasksDoubted();
      throw error;
    }
    if (epoch === under) {
      if (incident.state === "open") open.set(incident.id, incident);
      else open.delete(incident.id);
      armTimer();
    }
    feed.publish(toIncident(incident));
  }

  async function takeCrossing({ crossing, clearedAtMs }: CrossingReport, under: number): Promise<string> {
    const known = await store.crossing(crossing.id);
    if (known === undefined) {
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
    const decision = await deps.decisions.on(before, incident);
    await commit(
      under,
      { ...incident, decision: decision.decision },
      [
        story.noticed(before === undefined ? "noticed" : "joined", crossing, nowMs),
        ...changes.map((change) => story.changed(change, nowMs)),
        ...decision.entries,
      ],
      [
        store.insertCrossing(crossing, incident.id),
        ...changes.map(({ id }) => store.linkChange(incident.id, id)),
        ...(decision.prepared === undefined ? [] : [decision.prepared.insert]),
      ],
    );
    deps.metrics.decided(clock.monotonic() - startedMs);
    if (decision.prepared !== undefined) deps.taskAccepted(decision.prepared.task);
    if (before === undefined) runDetached(() => void tellAlike(incident, under));
    return { ...incident, decision: decision.decision };
  }

  /** The story may lack it after a crash; nothing depends on it. */
  async function tellAlike(incident: IncidentRecord, under: number): Promise<void> {
    try {
      const entry = await deps.recall(incident);
      if (entry !== undefined) await write(under, [store.tell(incident.id, entry)]);
    } catch (error) {
      log.debug({ err: error, incidentId: incident.id }, "Nothing could be recalled for an incident.");
    }
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
      await commit(
        under,
        resolveIncident(incident, nowMs),
        [story.resolved(incident.series.length, nowMs)],
        [remember(incident.id)],
      );
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
      const entries = story.attempted(task, event, nowMs);
      const isOver = task.state === "succeeded" || task.state === "failed" || task.state === "cancelled";
      return {
        statements: [
          ...(change?.statements ?? []),
          ...entries.map((entry) => store.tell(incidentId, entry)),
          store.touch(incidentId, nowMs),
          ...(isOver ? [remember(incidentId)] : []),
        ],
        stored: () => {
          change?.stored();
          touched(incidentId, nowMs);
          outbox.kick();
        },
      };
    },

    async own(newEpoch: number | undefined): Promise<void> {
      epoch = undefined;
      cancelTimer();
      await queue;
      open.clear();
      if (newEpoch === undefined) return feed.dismiss();
      await readOpen();
      epoch = newEpoch;
      armTimer();
    },

    reconfigured: armTimer,

    openIncidents: (): Incident[] => [...open.values()].map(toIncident),

    async close(): Promise<void> {
      epoch = undefined;
      cancelTimer();
      feed.dismiss();
      await queue;
    },
  };
}
