/** What to do next to come nearer to the desired state: a pure function of it and of what there is. */
import type { ReplicaState } from "../engine.ts";
import { type DesiredGeneration, type DesiredHost, generationsOf } from "../desired-state.ts";

/** What the planner must know of a seat. */
export interface Seated {
  readonly number: number;
  readonly generation: number;
  readonly kind: ReplicaState["kind"];
  readonly spec: { readonly name: string };
}

export interface PlanOptions {
  /** Whether two processes may listen on one port, so that a host with a fixed port can be replaced new before old. */
  readonly sharesPorts: boolean;
}

export type Step<S extends Seated> =
  | { readonly type: "start"; readonly host: DesiredGeneration; readonly number: number }
  | { readonly type: "leave"; readonly seat: S };

/**
 * - Every wanted slot gets a seat of the present generation, and during a rollout one of the next beside it.
 * - A seat that is ready stays until its successor in the slot is ready too; successors come one by one.
 * - A seat of an older generation that serves nobody goes at once.
 * - Where a port cannot be shared, a host with a fixed one is replaced old before new: it refuses connections meanwhile.
 */
export function plan<S extends Seated>(
  wanted: readonly DesiredHost[],
  seats: readonly S[],
  { sharesPorts }: PlanOptions,
): Step<S>[] {
  const steps: Step<S>[] = [];
  const staying = seats.filter(({ kind }) => kind !== "draining" && kind !== "stopped");
  for (const seat of staying) {
    const host = wanted.find(({ spec }) => spec.name === seat.spec.name);
    if (host === undefined || seat.number >= host.spec.replicas) steps.push({ type: "leave", seat });
  }
  for (const host of wanted) {
    const own = staying.filter(({ spec }) => spec.name === host.spec.name);
    const generations = generationsOf(host);
    const oldFirst = host.spec.port !== 0 && !sharesPorts;
    let replacing = false;
    for (let number = 0; number < host.spec.replicas; number++) {
      const present = own.find((seat) => seat.number === number && seat.generation === host.generation);
      const old = own.filter((seat) => seat.number === number && !generations.some((one) => isOf(seat, one)));
      for (const seat of old) {
        if (oldFirst || present?.kind === "ready" || seat.kind !== "ready") steps.push({ type: "leave", seat });
      }
      const oldServes = old.some(({ kind }) => kind === "ready");
      const mustWait = oldFirst
        ? seats.some((seat) => seat.spec.name === host.spec.name && seat.number === number && seat.kind !== "stopped")
        : oldServes && replacing;
      if (present === undefined && !mustWait) steps.push({ type: "start", host, number });
      if (oldServes && present?.kind !== "ready") replacing = true;
      for (const next of generations.slice(1)) {
        const isThere = own.some((seat) => seat.number === number && isOf(seat, next));
        if (!isThere) steps.push({ type: "start", host: next, number });
      }
    }
  }
  return steps;
}

function isOf(seat: Seated, { generation }: DesiredGeneration): boolean {
  return seat.generation === generation;
}
