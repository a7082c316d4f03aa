/** The life of one slot of a host as a pure state machine; the engine feeds it events and carries out its effects. */
import type { ReplicaState } from "../engine.ts";

export type SlotEvent =
  | { readonly type: "ready"; readonly address: string }
  /** Alive, but its services cannot work now. */
  | { readonly type: "not-ready" }
  | { readonly type: "exited"; readonly reason: string }
  /** It should go. */
  | { readonly type: "leave" }
  /** The wait after a failure is over. */
  | { readonly type: "retry" };

export type SlotEffect =
  | { readonly type: "start" }
  | { readonly type: "drain" }
  | { readonly type: "wait"; readonly delayMs: number };

export interface Slot {
  readonly state: ReplicaState;
  /** Failures since it was last healthy for a while. */
  readonly failures: number;
  /** Times it was started again after a failure. */
  readonly restarts: number;
  /** Why it last failed. */
  readonly lastReason: string | undefined;
  /** When it last became ready in its present incarnation. */
  readonly readySinceMs: number | undefined;
}

export interface Moment {
  readonly nowMs: number;
  /** Uniform in [0, 1), for jitter. */
  readonly random: number;
}

/** A replica that was ready for this long had a healthy life: its first failure restarts it at once. */
export const HEALTHY_AFTER_MS = 5_000;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;

/** A slot whose process has just been started. */
export function startSlot(nowMs: number): Slot {
  return {
    state: { kind: "starting", sinceMs: nowMs },
    failures: 0,
    restarts: 0,
    lastReason: undefined,
    readySinceMs: undefined,
  };
}

/** The slot after an event, and what to do. An event that means nothing in a state changes nothing. */
export function nextSlot(slot: Slot, event: SlotEvent, moment: Moment): { slot: Slot; effects: readonly SlotEffect[] } {
  const sinceMs = moment.nowMs;
  const unchanged = { slot, effects: [] };
  switch (slot.state.kind) {
    case "starting":
    case "ready":
      switch (event.type) {
        case "ready": {
          if (slot.state.kind === "ready") return unchanged;
          const state = { kind: "ready", sinceMs, address: event.address } as const;
          return { slot: { ...slot, state, readySinceMs: slot.readySinceMs ?? sinceMs }, effects: [] };
        }
        case "not-ready":
          if (slot.state.kind === "starting") return unchanged;
          return { slot: { ...slot, state: { kind: "starting", sinceMs } }, effects: [] };
        case "exited":
          return afterFailure(slot, event.reason, moment);
        case "leave":
          return { slot: { ...slot, state: { kind: "draining", sinceMs } }, effects: [{ type: "drain" }] };
        case "retry":
          return unchanged;
      }
      break;
    case "backoff":
      if (event.type === "leave") return { slot: { ...slot, state: { kind: "stopped", sinceMs } }, effects: [] };
      if (event.type !== "retry") return unchanged;
      return {
        slot: { ...slot, state: { kind: "starting", sinceMs }, restarts: slot.restarts + 1, readySinceMs: undefined },
        effects: [{ type: "start" }],
      };
    case "draining":
      if (event.type !== "exited") return unchanged;
      return { slot: { ...slot, state: { kind: "stopped", sinceMs } }, effects: [] };
    case "stopped":
      return unchanged;
  }
}

function afterFailure(
  slot: Slot,
  reason: string,
  { nowMs, random }: Moment,
): { slot: Slot; effects: readonly SlotEffect[] } {
  const wasHealthy = slot.readySinceMs !== undefined && nowMs - slot.readySinceMs >= HEALTHY_AFTER_MS;
  const failures = wasHealthy ? 1 : slot.failures + 1;
  const delayMs = wasHealthy ? 0 : backoffMs(failures, random);
  const state = { kind: "backoff", sinceMs: nowMs, retryAtMs: nowMs + delayMs, reason } as const;
  return {
    slot: { ...slot, state, failures, lastReason: reason, readySinceMs: undefined },
    effects: [{ type: "wait", delayMs }],
  };
}

/** 200 ms, doubled with every failure up to 10 s; the upper half is drawn by lot. */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 16));
  return Math.round(full / 2 + (full / 2) * random);
}
