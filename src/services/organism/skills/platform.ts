/** What skills that change hosts have in common: the desired state they write, and a patient look at what came of it. */
import { type Clock, sleep } from "#core/clock.ts";
import { isServiceError } from "#core/service-error.ts";
import type { DesiredHost, DesiredState } from "#runtime/engine/desired-state.ts";
import type { EngineStatus, HostStatus } from "#runtime/engine/engine.ts";
import { drainMsOf } from "#runtime/engine/host-spec.ts";
import { type SkillContext, SkillFailed, type SkillOutcome } from "../skill.ts";

export interface Platform {
  readonly desired: DesiredState;
  engineStatus(): EngineStatus;
  /** The replica this process is: when it is itself replaced, it must not wait for its own end. */
  readonly replicaId: string;
}

/** How long an effect may take to show. Below the skills' time-out, so that the outcome is told and not cut off. */
const WAIT_MS = 110_000;
const LOOK_MS = 200;
/** How long a process that is being replaced looks on: what it waits for must not hold up its own end. */
const LEAVE_MS = 5_000;

export function hostOf(status: EngineStatus, name: string): HostStatus | undefined {
  return status.hosts.find(({ spec }) => spec.name === name);
}

export async function wantedOf({ desired }: Platform, name: string): Promise<DesiredHost | undefined> {
  return (await desired.list()).find(({ spec }) => spec.name === name);
}

/** Runs a change of desired state. @throws SkillFailed naming the hosts there are when there is no such host. */
export async function change<T>(platform: Platform, host: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isServiceError(error)) throw error;
    if (error.code !== "NOT_FOUND") throw new SkillFailed(error.message, error.retryable, { cause: error });
    const known = (await platform.desired.list()).map(({ spec }) => spec.name);
    throw new SkillFailed(`There is no host "${host}". There are: ${known.join(", ")}.`, false, { cause: error });
  }
}

/**
 * Looks until `isShown` says that the effect is there. A process that is being replaced looks no longer than half of its
 * drain time, and {@link LEAVE_MS} at most: it must tell the outcome while it can.
 */
export async function effectOf(
  platform: Platform,
  { clock, signal }: Pick<SkillContext, "clock" | "signal">,
  host: string,
  isShown: (status: HostStatus) => boolean,
): Promise<SkillOutcome["effect"]> {
  const endMs = clock.monotonic() + WAIT_MS;
  let leaveMs = Number.POSITIVE_INFINITY;
  for (;;) {
    const status = hostOf(platform.engineStatus(), host);
    if (status !== undefined && isShown(status)) return { state: "confirmed", evidence: describe(status) };
    const nowMs = clock.monotonic();
    if (leaveMs === Number.POSITIVE_INFINITY) leaveMs = leaveTime(platform, nowMs);
    if (nowMs >= leaveMs) {
      return {
        state: "unknown",
        evidence: `${describe(status)} This process is being replaced and could not wait longer.`,
      };
    }
    if (nowMs >= endMs)
      return { state: "absent", evidence: `${describe(status)} It did not show within ${WAIT_MS / 1_000} s.` };
    await pause(clock, signal);
  }
}

function leaveTime({ engineStatus, replicaId }: Platform, nowMs: number): number {
  for (const { spec, replicas } of engineStatus().hosts) {
    const own = replicas.find(({ id }) => id === replicaId);
    if (own?.state.kind === "draining") return nowMs + Math.min(drainMsOf(spec) / 2, LEAVE_MS);
  }
  return Number.POSITIVE_INFINITY;
}

function pause(clock: Clock, signal: AbortSignal): Promise<void> {
  return sleep(clock, LOOK_MS, signal);
}

function describe(status: HostStatus | undefined): string {
  if (status === undefined) return "The engine shows no such host.";
  const states = Map.groupBy(status.replicas, ({ state }) => state.kind);
  const counts = [...states].map(([kind, replicas]) => `${replicas.length} ${kind}`).join(", ");
  return `Host ${status.spec.name}, generation ${status.generation}: ${counts === "" ? "no replica" : counts}.`;
}
