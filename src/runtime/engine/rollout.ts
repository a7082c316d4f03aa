/**
 * A rollout: a host's next generation runs beside the present one and gets more of its traffic step by step, until it has
 * all and the present one goes, or until it errs and goes itself. A pure state machine; `rollout-driver.ts` feeds it.
 */
import { z } from "zod";
import { HostSpec } from "./host-spec.ts";
import { isWorse } from "./error-rates.ts";

/** Calls that have ended and how many of them failed by the host's fault. */
export const Figures = z.object({ calls: z.int(), errors: z.int() });
export type Figures = z.output<typeof Figures>;

const NONE: Figures = { calls: 0, errors: 0 };

const RolloutState = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("starting"),
    /** How long it has not been ready, as far as somebody watched. */
    waitedMs: z.number(),
    old: Figures,
  }),
  z.object({
    kind: z.literal("step"),
    /** Index of the step that is taken. */
    step: z.int(),
    /** How long the next generation has been ready in this step, as far as somebody watched. */
    observedMs: z.number(),
    waitedMs: z.number(),
    /** Of the present generation since the rollout began. */
    old: Figures,
    /** Of the next generation in this step. */
    next: Figures,
  }),
  z.object({ kind: z.literal("finished"), endedAtMs: z.number(), old: Figures, next: Figures }),
  z.object({
    kind: z.literal("returned"),
    endedAtMs: z.number(),
    reason: z.string(),
    /** What the next generation had when it was taken away. */
    percent: z.number(),
    old: Figures,
    next: Figures,
  }),
]);
export type RolloutState = z.output<typeof RolloutState>;

export const Rollout = z.object({
  /** Version it replaces. */
  from: z.string(),
  /** What the host becomes; its replica count is the present spec's. */
  next: HostSpec.strip(),
  /** Generation of `next`. */
  generation: z.int(),
  /** Percent of the traffic, growing, the last 100. */
  steps: z.array(z.int().min(1).max(100)).min(1),
  /** How long the next generation must do well in each step. */
  everyMs: z.int().positive(),
  startedAtMs: z.number(),
  state: RolloutState,
});
export type Rollout = z.output<typeof Rollout>;

/** What was seen since the last look. */
export interface Look {
  readonly nowMs: number;
  /** Time since the last look; 0 in the first, so that time in which nobody watched proves nothing. */
  readonly elapsedMs: number;
  readonly old: Figures;
  readonly next: Figures;
  /** Every replica of the next generation is ready. */
  readonly isReady: boolean;
  /** A replica of the next generation ended or cannot start. */
  readonly failure: string | undefined;
}

/** A generation that is not ready for this long will not become so. */
export const READY_WITHIN_MS = 180_000;

export function beginRollout(
  from: string,
  next: HostSpec,
  generation: number,
  { steps, everyMs, nowMs }: { steps: readonly number[]; everyMs: number; nowMs: number },
): Rollout {
  const state: RolloutState = { kind: "starting", waitedMs: 0, old: NONE };
  return { from, next, generation, steps: [...steps], everyMs, startedAtMs: nowMs, state };
}

/** What is wrong with these steps; undefined when nothing is. */
export function whyNotSteps(steps: readonly number[]): string | undefined {
  const isGrowing = steps.every((step, i) => Number.isInteger(step) && step > (steps[i - 1] ?? 0) && step <= 100);
  if (isGrowing && steps.at(-1) === 100) return undefined;
  return `The steps ${steps.join(",")} are no way to all of the traffic: give growing percentages that end with 100, such as 5,25,100.`;
}

export function isRunning({ state }: Rollout): boolean {
  return state.kind === "starting" || state.kind === "step";
}

/** Percent of the traffic that the next generation is to have now. */
export function percentOf({ state, steps }: Rollout): number {
  if (state.kind === "finished") return 100;
  return state.kind === "step" ? (steps[state.step] ?? 100) : 0;
}

/** The rollout after a look. One that has ended stays as it is. */
export function nextRollout(rollout: Rollout, look: Look): Rollout {
  const { state, steps, everyMs } = rollout;
  if (state.kind !== "starting" && state.kind !== "step") return rollout;
  const old = sum(state.old, look.old);
  const next = state.kind === "step" ? sum(state.next, look.next) : NONE;
  const becomes = (to: RolloutState): Rollout => ({ ...rollout, state: to });
  const waitedMs = look.isReady ? 0 : state.waitedMs + look.elapsedMs;

  const reason = whyReturn(look.failure, waitedMs, old, next);
  if (reason !== undefined)
    return returned({ ...rollout, state: { ...state, old, next } as RolloutState }, reason, look.nowMs);
  if (state.kind === "starting") {
    if (!look.isReady) return becomes({ kind: "starting", waitedMs, old });
    return becomes({ kind: "step", step: 0, observedMs: 0, waitedMs, old, next: NONE });
  }
  const observedMs = look.isReady ? state.observedMs + look.elapsedMs : 0;
  if (observedMs < everyMs) return becomes({ ...state, observedMs, waitedMs, old, next });
  if (state.step + 1 >= steps.length) return becomes({ kind: "finished", endedAtMs: look.nowMs, old, next });
  return becomes({ kind: "step", step: state.step + 1, observedMs: 0, waitedMs, old, next: NONE });
}

/** The rollout given up: everything is the present generation's again. One that has ended stays as it is. */
export function returned(rollout: Rollout, reason: string, nowMs: number): Rollout {
  const { state } = rollout;
  if (state.kind !== "starting" && state.kind !== "step") return rollout;
  const next = state.kind === "step" ? state.next : NONE;
  const percent = percentOf(rollout);
  return { ...rollout, state: { kind: "returned", endedAtMs: nowMs, reason, percent, old: state.old, next } };
}

function whyReturn(failure: string | undefined, waitedMs: number, old: Figures, next: Figures): string | undefined {
  if (failure !== undefined) return failure;
  if (waitedMs >= READY_WITHIN_MS) return `it was not ready for ${READY_WITHIN_MS / 1_000} s`;
  if (!isWorse(old, next)) return undefined;
  return `${describeRate(next)} failed, ${describeRate(old)} of the present version`;
}

/** `3 of 50 calls (6.0 %)` */
export function describeRate({ calls, errors }: Figures): string {
  if (calls === 0) return "none of 0 calls";
  return `${errors} of ${calls} calls (${((errors / calls) * 100).toFixed(1)} %)`;
}

function sum(a: Figures, b: Figures): Figures {
  return { calls: a.calls + b.calls, errors: a.errors + b.errors };
}
