/** Desired state as rows: one per host spec, versioned, changed by compare-and-set. Anyone may write it; engines follow. */
import type { CompiledQuery } from "kysely";
import type { HostSpec } from "./host-spec.ts";
import { isRunning, percentOf, type Rollout } from "./rollout.ts";

export interface DesiredHost {
  readonly spec: HostSpec;
  /** Bumped by everything that must replace the running replicas (new spec, restart). */
  readonly generation: number;
  /** Row version for compare-and-set. */
  readonly revision: number;
  /** The last one; `spec` is the present version's until it has finished. */
  readonly rollout?: Rollout;
  /** What it was before its last change, for the way back. */
  readonly previous?: HostSpec;
}

/** How a rollout is to go. */
export interface RolloutPlan {
  readonly steps: readonly number[];
  readonly everyMs: number;
  readonly nowMs: number;
}

export interface DesiredState {
  list(): Promise<readonly DesiredHost[]>;
  /**
   * Inserts or replaces; the generation grows only when more than `replicas` differs. Another spec than the present one
   * ends a rollout, the same lets it go on.
   * @param also written in the same transaction; not at all when the spec is that already
   */
  put(spec: HostSpec, also?: readonly CompiledQuery[]): Promise<DesiredHost>;
  remove(host: string): Promise<void>;
  /**
   * Takes a change of one's own back: puts what was there before, or removes the host when nothing was. What somebody
   * has changed since, another generation or a scale, stays as it is.
   * @param mine as `put` returned it
   * @returns what is desired now; undefined for a host that is removed
   */
  giveUp(mine: DesiredGeneration, former: HostSpec | undefined): Promise<DesiredHost | undefined>;
  /**
   * Puts a next version beside the present one; whoever reconciles takes the steps.
   * @param toNext makes the next spec of the present one; called again when somebody else changed it meanwhile
   * @param also written in the same transaction
   * @throws ServiceError NOT_FOUND, CONFLICT while one goes on, INVALID_INPUT for impossible steps, a host with a fixed
   *   port (its calls are shared by the operating system) and a version called as the present one
   */
  startRollout(
    host: string,
    toNext: (spec: HostSpec) => HostSpec,
    plan: RolloutPlan,
    also?: readonly CompiledQuery[],
  ): Promise<DesiredHost>;
  /** Changes the rollout that goes on, if one does: one that has finished makes its version the present one. */
  changeRollout(
    host: string,
    how: (rollout: Rollout) => Rollout,
    also?: readonly CompiledQuery[],
  ): Promise<DesiredHost | undefined>;
  /**
   * @param also written in the same transaction; not at all when the count is that already
   * @throws ServiceError NOT_FOUND
   */
  scale(host: string, replicas: number, also?: readonly CompiledQuery[]): Promise<DesiredHost>;
  /**
   * @param also written in the same transaction
   * @throws ServiceError NOT_FOUND, CONFLICT while a rollout goes on
   */
  restart(host: string, also?: readonly CompiledQuery[]): Promise<DesiredHost>;
  /**
   * Makes of a host what it was before its last change, with as many replicas as now; twice is there and back.
   * @param also written in the same transaction
   * @throws ServiceError NOT_FOUND, CONFLICT while a rollout goes on or when there is no version to go back to
   */
  rollBack(host: string, also?: readonly CompiledQuery[]): Promise<DesiredHost>;
}

/** One version of a host that is to run. */
export type DesiredGeneration = Pick<DesiredHost, "spec" | "generation">;

/** What is to run of a host: one generation, or during a rollout the present one and the next. */
export function generationsOf(host: DesiredHost): readonly DesiredGeneration[] {
  const { spec, rollout } = host;
  if (rollout === undefined || !isRunning(rollout)) return [host];
  return [host, { spec: { ...rollout.next, replicas: spec.replicas }, generation: rollout.generation }];
}

/**
 * Weight of each replica of a generation. Those of a rollout have equally many replicas, so the weights are their shares;
 * one that was given up takes nothing, and one that is being replaced takes part until it goes.
 */
export function weightOf({ generation, rollout }: DesiredHost, of: number): number {
  if (rollout === undefined || !isRunning(rollout)) return of > generation ? 0 : 1;
  const percent = percentOf(rollout);
  return (of === rollout.generation ? percent : 100 - percent) / 100;
}
