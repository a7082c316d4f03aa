/**
 * Turns crossings and changes into incidents with a decision. One report after another; each report's effects, its
 * decision and its task included, are one write, so that a crash neither repeats nor loses an action.
 */
import type { Incident } from "#contracts/incident.ts";
import type { Outbox } from "#runtime/storage/outbox.ts";
import type { ActionStore } from "./action-store.ts";
import type { Actions } from "./actions.ts";
import { createChanges } from "./changes.ts";
import { createConclusions } from "./conclusions.ts";
import { createCrossings, type CrossingReport, type CrossingsDeps } from "./crossings.ts";
import type { Decisions } from "./decisions.ts";
import { type Conclusion, createDeliberation, type Deliberation, type DeliberationDeps } from "./deliberation.ts";
import { type IncidentRecord, toIncident } from "./incident.ts";
import { createRemember } from "./incident-memory.ts";
import type { IncidentStore } from "./incident-store.ts";
import { createLookout } from "./lookout.ts";
import { createOpenIncidents, type OpenIncidentsDeps } from "./open-incidents.ts";
import { createQuiet } from "./quiet.ts";
import { createRemarks } from "./remarks.ts";
import { createSilenced } from "./silenced.ts";
import type { Silences } from "./silences.ts";
import * as story from "./story.ts";
import { isFinal, type TaskEvent, type TaskRecord } from "./task.ts";
import type { Closing } from "./tasks.ts";
import { createTurns } from "./turns.ts";

export interface TriageDeps
  extends Pick<OpenIncidentsDeps, "write" | "feed" | "log">,
    Pick<CrossingsDeps, "clock" | "ids" | "metrics" | "config">,
    Pick<DeliberationDeps, "gather" | "reason"> {
  readonly store: IncidentStore;
  readonly outbox: Outbox;
  readonly decisions: Decisions;
  readonly actions: Actions;
  readonly actionStore: ActionStore;
  readonly silences: Pick<Silences, "now">;
}

export type Triage = ReturnType<typeof createTriage>;

export function createTriage(deps: TriageDeps) {
  const { store, outbox, feed, actions, decisions, clock } = deps;
  let deliberation: Deliberation | undefined;

  const turns = createTurns(async () => {
    for (const { id } of await read()) moved(id);
  });
  const open = createOpenIncidents({
    ...deps,
    changed: () => lookout.arm(),
    over: (id) => {
      conclusions.forget(id);
      decisions.over(id);
    },
  });
  const remember = createRemember(outbox, deps.ids);
  const silenced = createSilenced(deps);
  const conclusions = createConclusions(deps);
  const changes = createChanges({ ...deps, open });
  const remarks = createRemarks({ ...deps, open, remember });
  const quiet = createQuiet({ ...deps, open, remember });
  const crossings = createCrossings({
    ...deps,
    open,
    silenced,
    moved,
    changed: () => lookout.arm(),
  });
  const lookout = createLookout({
    turns,
    nextMs: () => Math.min(silenced.nextMs(), quiet.nextMs()),
    look: async (under) => {
      await quiet.resolve(under);
      await crossings.openUnsilenced(under);
    },
    clock,
    log: deps.log,
  });

  /** What is on the disk; returns the incidents of which more has moved than was known. */
  async function read(): Promise<readonly IncidentRecord[]> {
    const found = await open.read();
    await silenced.read();
    await actions.read(open.ids());
    await conclusions.read(open.ids());
    return found;
  }

  function moved(id: string): void {
    conclusions.moved(id);
    deliberation?.about(id);
  }

  async function conclude(id: string, conclusion: Conclusion, under: number): Promise<void> {
    const incident = open.get(id);
    const concluded = incident && (await conclusions.take(incident, conclusion));
    if (concluded === undefined) return;
    const also = concluded.isNews ? [...concluded.statements, remember(id)] : concluded.statements;
    await open.put(under, concluded.incident, concluded.entries, also);
    concluded.stored();
    if (concluded.isNews) outbox.kick();
  }

  return {
    /** The incident the crossing belongs to. */
    crossing: (report: CrossingReport) => turns.take((under) => crossings.take(report, under)),

    change: (
      input: Parameters<typeof changes.take>[0],
      storeAnswer: Parameters<typeof changes.take>[2],
    ): Promise<{ id: string }> => turns.take((under) => changes.take(input, under, storeAnswer)),

    /** What the end of a task means to incidents: the last page of the story, and a change when it made one. */
    closing(task: TaskRecord, event: TaskEvent): Closing | undefined {
      const nowMs = clock.now();
      const { incidentId } = task;
      const made = event.kind === "succeed" ? event.execution.change : null;
      const change =
        made === null
          ? undefined
          : changes.record({ ...made, id: `change_${task.id}`, atMs: nowMs, data: { taskId: task.id } }, incidentId);
      if (incidentId === null) return change;
      const action = actions.closing(task, event);
      const entries = [...story.attempted(task, event, nowMs), ...(action?.entries ?? [])];
      return {
        statements: [
          ...(change?.statements ?? []),
          ...(action?.statements ?? []),
          ...entries.map((entry) => store.tell(incidentId, entry)),
          store.touch(incidentId, nowMs),
          ...(isFinal(task.state) ? [remember(incidentId)] : []),
        ],
        stored: () => {
          change?.stored();
          action?.stored();
          open.touched(incidentId, nowMs);
          outbox.kick();
        },
      };
    },

    async own(newEpoch: number | undefined): Promise<void> {
      const stopped = turns.stop();
      lookout.cancel();
      actions.own(false);
      await deliberation?.stop();
      await stopped;
      open.clear();
      conclusions.clear();
      if (newEpoch === undefined) return feed.dismiss();
      const found = await read();
      turns.begin(newEpoch);
      lookout.arm();
      actions.own(true);
      deliberation = createDeliberation({
        ...deps,
        openIncident: open.get,
        steadyNow: open.steadyNow,
        conclude: (id, conclusion) => turns.take((under) => conclude(id, conclusion, under)),
        took: (durationMs) => deps.metrics.deliberated(durationMs),
      });
      for (const { id } of found) deliberation.about(id);
    },

    /** In order with everything else that changes incidents. @throws ServiceError NOT_OWNER */
    inTurn: turns.take,

    /** A silence has ended before its time. */
    unsilenced: () => turns.take(crossings.openUnsilenced),

    /** Another process has finished what it had begun: its actions are as it left them. */
    endedElsewhere(): Promise<void> {
      lookout.doubt();
      return turns.take(async () => {});
    },

    label: async (id: string, label: NonNullable<Incident["label"]>, by: string) => {
      const incident = await turns.take((under) => remarks.label(id, label, by, under));
      outbox.kick();
      return incident;
    },

    acknowledge: (id: string, by: string) => turns.take((under) => remarks.acknowledge(id, by, under)),

    doubt: lookout.doubt,
    reconfigured: lookout.arm,
    isOpen: open.has,
    openCount: open.count,
    touched: (id: string) => open.touched(id, clock.now()),
    openIncidents: (): Incident[] => open.all().map(toIncident),

    async close(): Promise<void> {
      const stopped = turns.stop();
      lookout.cancel();
      feed.dismiss();
      await deliberation?.stop();
      await actions.close();
      await stopped;
    },
  };
}
