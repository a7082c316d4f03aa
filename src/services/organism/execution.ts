/** One execution: schema, fence, agent, skill, time-out, outcome. */
import type { Execution } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import type { Call } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import type { Fence } from "./fence.ts";
import type { Engagement, Outcome, Roster } from "./roster.ts";
import type { Resolved } from "./router.ts";
import { type Skill, SkillFailed } from "./skill.ts";

export interface ExecutionDeps {
  readonly fence: Fence;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of each that ended by itself. */
  readonly record: (ended: EndedExecution) => void;
}

export interface EndedExecution extends Pick<Engagement, "agent" | "role" | "expected"> {
  readonly organ: string;
  readonly skill: string;
  readonly isSuccess: boolean;
}

export interface ExecutionOrder {
  readonly taskId: string;
  readonly attempt: number;
  readonly route: Resolved;
  /** Parsed by the skill's own schema. */
  readonly params: Record<string, unknown>;
}

/** @throws SkillFailed; ServiceError CONFLICT (fence), DEADLINE (time-out); or what the call's signal says. */
export async function execute(
  deps: ExecutionDeps,
  order: ExecutionOrder,
  call: Pick<Call, "signal">,
): Promise<Execution> {
  const { clock } = deps;
  const { skill, organ } = order.route;
  call.signal.throwIfAborted();
  const controller = new AbortController();
  const onAbort = () => controller.abort(call.signal.reason);
  const pass = await deps.fence.enter(order.taskId, order.attempt, controller);
  call.signal.addEventListener("abort", onAbort, { once: true });
  const cancelTimer = clock.after(skill.timeoutMs, () => controller.abort(timedOut(skill.name, skill.timeoutMs)));
  const engagement = deps.roster.begin(organ, skill, order.taskId);
  const startedMs = clock.monotonic();
  let outcome: Outcome = "failed";
  try {
    if (engagement === undefined) throw new SkillFailed(`Organ "${organ}" has no agents.`, true);
    const { signal } = controller;
    if (call.signal.aborted) onAbort();
    signal.throwIfAborted();
    const known = await undoOf(skill, order.params);
    const {
      result,
      effect,
      change,
      undo = known,
    } = await skill.execute(order.params, {
      taskId: order.taskId,
      signal,
      clock,
      log: deps.log,
    });
    outcome = OUTCOMES[effect.state];
    const durationMs = clock.monotonic() - startedMs;
    return {
      organ,
      agent: engagement.agent,
      skill: skill.name,
      result,
      effect,
      change: change ?? null,
      undo,
      durationMs,
    };
  } catch (error) {
    if (error instanceof SkillFailed || !controller.signal.aborted) throw error;
    const isTimeOut = isDeadline(controller.signal.reason);
    outcome = isTimeOut ? "failed" : "cancelled";
    throw controller.signal.reason;
  } finally {
    cancelTimer();
    call.signal.removeEventListener("abort", onAbort);
    engagement?.end(outcome);
    if (engagement !== undefined && (outcome === "succeeded" || outcome === "failed")) {
      deps.record({ ...engagement, organ, skill: skill.name, isSuccess: outcome === "succeeded" });
    }
    pass.leave();
  }
}

const OUTCOMES = { confirmed: "succeeded", absent: "failed", unknown: "unknown" } as const;

async function undoOf(skill: Skill, params: Record<string, unknown>): Promise<Execution["undo"]> {
  try {
    return (await skill.undoOf?.(params)) ?? null;
  } catch (error) {
    if (!isServiceError(error)) throw error;
    // Nothing was done yet: it may be tried again.
    throw new SkillFailed(error.message, error.retryable, { cause: error });
  }
}

function timedOut(skill: string, timeoutMs: number): ServiceError {
  return new ServiceError("DEADLINE", `${skill} did not end within its time-out of ${timeoutMs / 1_000} s.`);
}

function isDeadline(reason: unknown): boolean {
  return reason instanceof ServiceError && reason.code === "DEADLINE";
}
