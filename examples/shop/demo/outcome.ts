/** Plays one scene and says what the organism made of it, as the organism itself tells it. */
import type { Connection } from "seedcore";
import type { Scene } from "./scene.ts";
import { hostOf, type Stage } from "./stage.ts";

export interface Outcome {
  readonly scene: Scene;
  readonly incidents: readonly string[];
  /** What was blamed when it acted; else at the end. */
  readonly cause: { readonly service: string | null; readonly kind: string; readonly confidence: number } | null;
  readonly isCauseRight: boolean;
  /** Milliseconds since the fault was switched on; null where it did not come to it. */
  readonly noticedMs: number | null;
  readonly actedMs: number | null;
  readonly repairedMs: number | null;
  /** Actions on something that was well. */
  readonly wrongActions: readonly string[];
}

const LOOK_EVERY_MS = 500;
/** A fault that nobody has repaired by then stays unrepaired. */
const FAULT_MS = 120_000;
/** For so long a decoy goes on, and is watched after it. */
const DECOY_MS = 40_000;
const AFTER_DECOY_MS = 20_000;
/** For all incidents to be over, and for the figures to be usual again. */
const CALM_MS = 240_000;
const USUAL_MS = 15_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

type Coordinator = ReturnType<typeof coordinatorOf>;
const coordinatorOf = (connection: Connection) => connection.getServiceClient("coordinator");
type Detail = Awaited<ReturnType<Coordinator["getIncident"]>>;

/** @param told hears each new sentence of the organism's story, with the milliseconds since the fault */
export async function play(stage: Stage, scene: Scene, told: (text: string, atMs: number) => void): Promise<Outcome> {
  const coordinator = coordinatorOf(stage.connection);
  const startedMs = Date.now();
  const heard = new Set<string>();
  // What goes on already may be what the fault joins.
  const before = (await coordinator.listIncidents({ state: "open" })).incidents.map(({ id }) => id);
  const incidents = async (): Promise<Detail[]> => {
    const { incidents: found } = await coordinator.listIncidents({ sinceMs: startedMs - 1_000 });
    const ids = new Set([...found.map(({ id }) => id), ...before]);
    const details = (await Promise.all([...ids].map((id) => coordinator.getIncident({ id })))).map((detail) =>
      since(detail, startedMs),
    );
    const story = details.flatMap(({ id, story: entries }) => entries.map((entry) => ({ id, ...entry })));
    for (const { id, atMs, kind, text } of story.sort((a, b) => a.atMs - b.atMs)) {
      const key = `${id} ${atMs} ${kind} ${text}`;
      if (!heard.has(key)) told(`${kind.padEnd(10)}${text}`, atMs - startedMs);
      heard.add(key);
    }
    return details;
  };
  const watch = async (untilMs: number, isOver: (details: readonly Detail[]) => boolean): Promise<void> => {
    while (Date.now() < untilMs && !isOver(await incidents())) await sleep(LOOK_EVERY_MS);
  };

  await scene.begin(stage);
  if (scene.fault === null) {
    await watch(startedMs + DECOY_MS, () => false);
    await scene.end(stage);
    await watch(Date.now() + AFTER_DECOY_MS, () => false);
  } else {
    await watch(startedMs + FAULT_MS, (details) => repairs(details).some(({ state }) => state === "helped"));
    await scene.end(stage);
  }
  const outcome = judge(scene, await incidents(), startedMs);
  await watch(Date.now() + CALM_MS, (details) => details.every(({ state }) => state === "resolved"));
  await sleep(USUAL_MS);
  return outcome;
}

/** What came of it from then on. */
function since(detail: Detail, startedMs: number): Detail {
  const { story, actions, tasks } = detail;
  return {
    ...detail,
    story: story.filter(({ atMs }) => atMs >= startedMs),
    actions: actions.filter(({ createdAtMs }) => createdAtMs >= startedMs),
    tasks: tasks.filter(({ createdAtMs }) => createdAtMs >= startedMs),
  };
}

/** What was done that changes something; telling somebody does not. */
function repairs(details: readonly Detail[]): Detail["actions"] {
  return details
    .flatMap(({ actions }) => actions)
    .filter(({ checkedSeries, taskId }) => checkedSeries.length > 0 && taskId !== null);
}

const isMovement = ({ kind }: Detail["story"][number]): boolean => kind === "noticed" || kind === "joined";

function judge(scene: Scene, details: readonly Detail[], startedMs: number): Outcome {
  const { fault } = scene;
  const done = repairs(details).sort((a, b) => a.createdAtMs - b.createdAtMs);
  const target = fault === null ? undefined : hostOf(fault.service);
  const right = done.filter((action) => action.target === target);
  const helped = right.find(({ state }) => state === "helped");
  const moved = details.filter(({ story }) => story.some(isMovement));
  const cause = (helped ?? done[0])?.cause ?? moved[0]?.cause ?? null;
  const [first] = details
    .flatMap(({ story }) => story)
    .filter(isMovement)
    .sort((a, b) => a.atMs - b.atMs);
  const begun = details.flatMap(({ tasks }) => tasks).find(({ id }) => id === right[0]?.taskId);
  return {
    scene,
    incidents: moved.map(({ id }) => id),
    cause,
    isCauseRight: fault !== null && cause?.service === target && cause?.kind === fault.kind,
    noticedMs: first === undefined ? null : first.atMs - startedMs,
    actedMs: begun === undefined ? null : begun.createdAtMs - startedMs,
    repairedMs: helped === undefined || helped.endedAtMs === null ? null : helped.endedAtMs - startedMs,
    wrongActions: done.filter((action) => action.target !== target).map(({ skill, target: of }) => `${skill} of ${of}`),
  };
}
