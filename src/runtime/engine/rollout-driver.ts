/** Takes the steps of rollouts, or takes them back: what an engine does besides running what is desired. */
import type { Clock } from "#core/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createFigureReader, type FigureReader } from "./call-figures.ts";
import { type DesiredGeneration, type DesiredHost, type DesiredState, generationsOf } from "./desired-state.ts";
import type { HostSpec } from "./host-spec.ts";
import { describeRate, type Figures, isRunning, type Look, nextRollout, percentOf, type Rollout } from "./rollout.ts";

/** What an engine sees of one generation. */
export interface GenerationView {
  /** Those that take calls. */
  readonly replicas: readonly { readonly id: string; readonly address: string }[];
  /** As many of them as are wanted. */
  readonly isReady: boolean;
  /** Why one of them ended or does not start. */
  readonly failure: string | undefined;
}

export interface RolloutDriverDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly desired: DesiredState;
  view(generation: DesiredGeneration): GenerationView;
  /** A token that may read the host's metrics. */
  mintToken(spec: HostSpec): Promise<string>;
  readonly figures?: FigureReader;
}

export interface RolloutDriver {
  /** Looks at every rollout that goes on; whether there was one. Rejects when its row cannot be written: nothing is lost by that. */
  look(wanted: readonly DesiredHost[]): Promise<boolean>;
  close(): void;
}

/** How often to look. */
export const LOOK_MS = 1_000;
/** Of a longer gap nobody knows what was in it. */
const LONGEST_LOOK_MS = 5_000;

export function createRolloutDriver(deps: RolloutDriverDeps): RolloutDriver {
  const { clock, log, desired } = deps;
  const figures = deps.figures ?? createFigureReader();
  /** Counts of each replica at the last look. */
  const counts = new Map<string, Figures>();
  /** By host and generation, when it was looked at last. */
  const looks = new Map<string, number>();

  /** What the replicas of a generation have done since the last look. */
  async function since(generation: DesiredGeneration, seen: Map<string, Figures>): Promise<Figures> {
    const token = await deps.mintToken(generation.spec);
    const sums = { calls: 0, errors: 0 };
    await Promise.all(
      deps.view(generation).replicas.map(async ({ id, address }) => {
        const now = await figures.read(address, token);
        if (now === undefined) return;
        seen.set(id, now);
        // What it did before somebody looked belongs to no step.
        const before = counts.get(id) ?? now;
        sums.calls += Math.max(0, now.calls - before.calls);
        sums.errors += Math.max(0, now.errors - before.errors);
      }),
    );
    return sums;
  }

  async function lookAt(host: DesiredHost, rollout: Rollout): Promise<void> {
    const { name } = host.spec;
    const [present = host, next = host] = generationsOf(host);
    const key = `${name}/${rollout.generation}`;
    const seen = new Map<string, Figures>();
    const [ofOld, ofNext] = await Promise.all([since(present, seen), since(next, seen)]);
    const { isReady, failure } = deps.view(next);
    const monotonicMs = clock.monotonic();
    const elapsedMs = Math.min(LONGEST_LOOK_MS, monotonicMs - (looks.get(key) ?? monotonicMs));
    const look: Look = { nowMs: clock.now(), elapsedMs, old: ofOld, next: ofNext, isReady, failure };
    const changed = await desired.changeRollout(name, (one) =>
      one.generation === rollout.generation ? nextRollout(one, look) : one,
    );
    looks.set(key, monotonicMs);
    for (const [id, count] of seen) counts.set(id, count);
    if (changed?.rollout?.generation === rollout.generation) tell(name, rollout, changed.rollout);
  }

  function tell(host: string, before: Rollout, after: Rollout): void {
    const { state, next } = after;
    if (state.kind === before.state.kind && percentOf(before) === percentOf(after)) return;
    const fields = { host, version: next.version, percent: percentOf(after) };
    if (state.kind === "returned") log.warn({ ...fields, reason: state.reason }, "a rollout was taken back");
    else if (state.kind === "finished")
      log.info({ ...fields, rate: describeRate(state.next) }, "a rollout has finished");
    else log.info(fields, "a rollout takes a step");
  }

  return {
    async look(wanted) {
      const going = wanted.flatMap((host) =>
        host.rollout !== undefined && isRunning(host.rollout) ? [[host, host.rollout] as const] : [],
      );
      if (going.length === 0) {
        counts.clear();
        looks.clear();
        return false;
      }
      for (const [host, rollout] of going) await lookAt(host, rollout);
      return true;
    },
    close: () => figures.close(),
  };
}
