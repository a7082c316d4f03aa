/** What the page knows of the organism, kept fresh while somebody looks. */
import { computed, type Signal, signal } from "@preact/signals";
import { call, type Output, Refusal } from "./api.ts";
import { session } from "./session.ts";
import { listen } from "./stream.ts";

export type Incident = Output<"coordinator.listIncidents">["incidents"][number];
export type IncidentDetail = Output<"coordinator.getIncident">;
export type Action = Output<"coordinator.listActions">["actions"][number];
export type Task = Output<"coordinator.listTasks">["tasks"][number];
export type Graph = Output<"telemetry.callGraph">;
export type Status = Output<"telemetry.status">;
export type Agent = Output<"state.agents">["agents"][number];
export type Organ = Output<"organism.organs">["organs"][number];

export const status = signal<Status | undefined>(undefined);
export const graph = signal<Graph | undefined>(undefined);
/** Newest first. */
export const incidents = signal<readonly Incident[] | undefined>(undefined);
export const actions = signal<readonly Action[] | undefined>(undefined);
/** What fails now, in a sentence each, by who asked. */
const troubles = signal<ReadonlyMap<object, string>>(new Map());
/** In a sentence; empty while all is well. */
export const trouble = computed(() => [...troubles.value.values()][0] ?? "");
export const nowMs = signal(Date.now());

const MOST_INCIDENTS = 200;
const MOST_ACTIONS = 500;

/** Calls `work` now and every `ms` while the page is seen; what it returns ends that. */
export function every(ms: number, work: () => Promise<void>): () => void {
  let timer: number | undefined;
  let isOver = false;
  const turn = async () => {
    clearTimeout(timer);
    if (isOver) return;
    if (document.visibilityState === "visible") await attempt(turn, work);
    if (!isOver) timer = window.setTimeout(turn, ms);
  };
  const seen = () => {
    if (document.visibilityState === "visible") void turn();
  };
  document.addEventListener("visibilitychange", seen);
  void turn();
  return () => {
    isOver = true;
    clearTimeout(timer);
    tell(turn, "");
    document.removeEventListener("visibilitychange", seen);
  };
}

/** One that succeeds says nothing of what another asks for. */
async function attempt(who: object, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    tell(who, "");
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) session.value = null;
    tell(who, error instanceof Refusal ? error.message : "The organism does not answer. Trying again.");
  }
}

function tell(who: object, text: string): void {
  if ((troubles.peek().get(who) ?? "") === text) return;
  const next = new Map(troubles.peek());
  if (text === "") next.delete(who);
  else next.set(who, text);
  troubles.value = next;
}

/** Keeps everything that every view shows; what it returns ends that. */
export function follow(): () => void {
  const ends = [
    every(1_000, async () => void (nowMs.value = Date.now())),
    every(1_000, () => into(status, call("telemetry.status", {}))),
    every(1_000, () => into(graph, call("telemetry.callGraph", {}))),
    every(10_000, async () => {
      const [{ incidents: found }] = await Promise.all([
        call("coordinator.listIncidents", { limit: MOST_INCIDENTS }),
        refreshActions(),
      ]);
      incidents.value = found;
    }),
    listen("/coordinator/incidents/live", { take }),
  ];
  return () => ends.forEach((end) => end());
}

export async function refreshActions(): Promise<void> {
  actions.value = (await call("coordinator.listActions", { limit: MOST_ACTIONS })).actions;
}

/** An incident as it opened or changed. */
function take(incident: Incident): void {
  const others = (incidents.value ?? []).filter(({ id }) => id !== incident.id);
  incidents.value = [incident, ...others]
    .sort((a, b) => b.openedAtMs - a.openedAtMs || (a.id < b.id ? 1 : -1))
    .slice(0, MOST_INCIDENTS);
  void attempt(take, refreshActions);
}

async function into<T>(target: Signal<T | undefined>, answer: Promise<T>): Promise<void> {
  target.value = await answer;
}
