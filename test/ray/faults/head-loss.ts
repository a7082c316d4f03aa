/** The head dies, and comes back with nothing of what it knew. */
import { ServiceError } from "#core/service-error.ts";
import { systemClock } from "#core/clock.ts";
import { createRay, type Ray } from "#runtime/ray/ray.ts";
import { endpointOf } from "../cluster/endpoint.ts";
import type { FaultRun } from "./fault-run.ts";

/** Kills every process of the head that is Ray's own. */
export function killHead(run: FaultRun): void {
  const [head = ""] = run.cluster.nodes;
  const raylet = `raylet/raylet .*--node_ip_address=${head.replaceAll(".", "\\.")}\\b`;
  const parts = [
    raylet,
    "gcs/gcs_server",
    "ray\\.util\\.client\\.server",
    "dashboard/dashboard\\.py",
    "^ray::Dashboard",
  ];
  for (const pid of run.pidsLike(new RegExp(parts.join("|")))) process.kill(pid, "SIGKILL");
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
