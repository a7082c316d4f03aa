/** What the page knows of the organism, kept fresh while somebody looks. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { call, type Input, type Output, pathOf } from "./api.ts";
import { follow } from "./feed.ts";
import type { RouteName } from "./routes.ts";
import { tell, whyOf } from "./trouble.ts";

export type Incident = Output<"coordinator.listIncidents">["incidents"][number];
export type IncidentDetail = Output<"coordinator.getIncident">;
export type Action = Output<"coordinator.listActions">["actions"][number];
export type Task = Output<"coordinator.listTasks">["tasks"][number];
export type Graph = Output<"telemetry.callGraph">;
export type Status = Output<"telemetry.status">;
export type Agent = Output<"state.agents">["agents"][number];

export const status = signal<Status | undefined>(undefined);
export const graph = signal<Graph | undefined>(undefined);
/** Newest first. */
export const incidents = signal<readonly Incident[] | undefined>(undefined);
/** Actions that wait for a person. */
export const proposed = signal<readonly Action[] | undefined>(undefined);
export const nowMs = signal(Date.now());

const MOST_INCIDENTS = 200;
const AGAIN_MS = 2_000;

/** Keeps everything that every view shows; what it returns ends that. */
export function followAll(): () => void {
  const ticking = setInterval(() => (nowMs.value = Date.now()), 1_000);
  const ends = [
    () => clearInterval(ticking),
    follow("telemetry.status", {}, { take: (value) => (status.value = value) }),
    follow("telemetry.callGraph", {}, { take: (value) => (graph.value = value) }),
    follow("coordinator.listActions", { state: "proposed" }, { take: ({ actions }) => (proposed.value = actions) }),
    followIncidents(),
  ];
  return () => {
    ends.forEach((end) => end());
    // Whoever signs in next may not see what this one saw.
    for (const known of [status, graph, incidents, proposed]) known.value = undefined;
  };
}

/** Those of the past are asked for when the stream begins: it has what is open, and what changes from now on. */
function followIncidents(): () => void {
  let timer: number | undefined;
  let isOver = false;
  const load = async () => {
    clearTimeout(timer);
    try {
      const { incidents: past } = await call("coordinator.listIncidents", { limit: MOST_INCIDENTS });
      if (isOver) return;
      take(past);
      tell(load, "");
    } catch (error) {
      if (isOver) return;
      tell(load, whyOf(error));
      timer = window.setTimeout(load, AGAIN_MS);
    }
  };
  const end = follow("coordinator.watchIncidents", {}, { take: (one) => take([one]), began: () => void load() });
  return () => {
    isOver = true;
    end();
    clearTimeout(timer);
    tell(load, "");
  };
}

/** Of an incident that is known the one that changed last stays. */
function take(found: readonly Incident[]): void {
  const known = new Map((incidents.value ?? []).map((one) => [one.id, one]));
  for (const one of found) {
    if ((known.get(one.id)?.updatedAtMs ?? 0) <= one.updatedAtMs) known.set(one.id, one);
  }
  incidents.value = [...known.values()]
    .sort((a, b) => b.openedAtMs - a.openedAtMs || (a.id < b.id ? 1 : -1))
    .slice(0, MOST_INCIDENTS);
}

/** An answer as it is now, kept fresh while the view shows it; undefined until it is there. */
export function useLive<N extends RouteName>(name: N, input: Input<N>, failed?: (why: string) => void) {
  const path = pathOf(name, input);
  const [told, setTold] = useState<{ readonly path: string; readonly answer: Output<N> } | undefined>(undefined);
  useEffect(
    () =>
      follow(name, input, {
        take: (answer) => setTold({ path, answer }),
        ...(failed === undefined ? {} : { failed }),
      }),
    [path],
  );
  return told?.path === path ? told.answer : undefined;
}
