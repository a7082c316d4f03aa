import { ServiceError } from "#core/service-error.ts";
import type { RaySurface } from "#runtime/ray/ray-surface.ts";

/** The `ray` of a connection that has no cluster: whatever is asked of it fails with UNSUPPORTED and `message`. */
export function absentRay(message: string): RaySurface {
  const refuse = (): never => {
    throw new ServiceError("UNSUPPORTED", message, { started: "no" });
  };
  const reject = async () => refuse();
  return {
    put: reject,
    get: reject,
    wait: reject,
    task: refuse,
    actor: refuse,
    getActor: reject,
    cancel: reject,
    nodes: reject,
    resources: reject,
  };
}
