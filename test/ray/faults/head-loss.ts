/** The head dies, and comes back with nothing of what it knew. */
import { ServiceError } from "#core/service-error.ts";
import { systemClock } from "#core/clock.ts";
import { createRay, type Ray } from "#runtime/ray/ray.ts";
import { endpointOf } from "../cluster/endpoint.ts";
import type { FaultRun } from "./fault-run.ts";

/** Every process of the head that is Ray's own. */
function processesOfHead(run: FaultRun): readonly number[] {
  const [head = ""] = run.cluster.nodes;
  const parts = ["gcs/gcs_server", "ray\\.util\\.client\\.server", "dashboard/dashboard\\.py", "^ray::Dashboard"];
  return [...run.rayletsOf(head), ...run.pidsLike(new RegExp(parts.join("|")))];
}

export function killHead(run: FaultRun): void {
  for (const pid of processesOfHead(run)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      // It ended with another.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** It is there and answers nobody, until the returned function is called. */
export function silenceHead(run: FaultRun): () => void {
  const silent = processesOfHead(run);
  for (const pid of silent) process.kill(pid, "SIGSTOP");
  return () => {
    for (const pid of silent) process.kill(pid, "SIGCONT");
  };
}

/** Starts it again, and the other node with it, as whoever runs the cluster would. */
export async function startAgain(run: FaultRun): Promise<void> {
  await run.cluster.startHead();
  for (const [index, node] of run.cluster.nodes.entries()) {
    if (index === 0) continue;
    // One that lived on knows nobody of the new head's.
    for (const pid of run.rayletsOf(node)) process.kill(pid, "SIGKILL");
    await run.cluster.startWorker(index);
  }
}

export function openRay(run: FaultRun): Ray {
  return createRay(
    { endpoint: endpointOf(run.cluster), namespace: "test", deadlineMs: 20_000 },
    { clock: systemClock },
  );
}

export interface FailedControl {
  readonly code: string;
  readonly tookMs: number;
}

/** What a control call says while there is no head. */
export async function failureOf(call: () => Promise<unknown>): Promise<FailedControl> {
  const startedAtMs = performance.now();
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { code: error.code, tookMs: performance.now() - startedAtMs };
  }
  throw new Error("The call succeeded without a head.");
}
