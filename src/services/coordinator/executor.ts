/** Runs attempts: asks the organism to execute a task, and turns the answer into the event that follows. */
import type { organism } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import type { Random } from "#core/random.ts";
import { toServiceError } from "#core/service-error.ts";
import { runDetached } from "#runtime/call.ts";
import type { Client } from "#runtime/client/client.ts";
import { judgeFailure, type RetryDelays, retryDelayMs } from "./retry.ts";
import type { TaskEvent, TaskRecord } from "./task.ts";

export interface ExecutorDeps {
  readonly organism: Pick<Client<typeof organism>, "execute">;
  readonly clock: Clock;
  readonly random: Random;
}

/** Why an attempt was stopped from outside. */
export type StopReason = "cancelled" | "closing";

/** One attempt; never rejects. */
export async function runAttempt(
  deps: ExecutorDeps,
  task: TaskRecord,
  delays: RetryDelays,
  signal: AbortSignal,
): Promise<TaskEvent> {
  try {
    // Detached from the submission that woke it up: its deadline and its caller are not those of the work.
    const execution = await runDetached(() =>
      deps.organism.execute(
        {
          taskId: task.id,
          type: task.type,
          params: task.params,
          attempt: task.attempts,
          ...(task.domain === null ? {} : { domain: task.domain }),
        },
        // What was accepted comes before what asks to be.
        { deadlineMs: task.timeoutMs, signal, priority: "critical" },
      ),
    );
    return { kind: "succeed", execution };
  } catch (error) {
    if ((signal.reason as StopReason | undefined) === "closing") return { kind: "orphan" };
    const { failure, isRetryable } = judgeFailure(toServiceError(error), task.repeatable);
    return {
      kind: "fail",
      failure,
      retryDelayMs: isRetryable ? retryDelayMs(task.attempts, delays, deps.random) : null,
    };
  }
}
