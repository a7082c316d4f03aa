import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { openCallScope } from "../../client/call-scope.ts";
import type { RequestTime } from "./datapath.ts";

/**
 * Waits for what several callers share no longer than the caller's own time allows; the work goes on for the others.
 * `what` is a preparation: an error of the waiting says that the caller's own work has not started.
 */
export async function waitWithin<T>(clock: Clock, what: string, time: RequestTime, shared: Promise<T>): Promise<T> {
  const scope = openCallScope(clock, what, time.deadlineAtMs, [time.signal]);
  try {
    return await new Promise<T>((resolve, reject) => {
      const giveUp = () => {
        const { code, message } = scope.signal.reason as ServiceError;
        reject(new ServiceError(code, message, { started: "no", cause: scope.signal.reason }));
      };
      if (scope.signal.aborted) giveUp();
      else scope.signal.addEventListener("abort", giveUp, { once: true });
      shared.then(resolve, reject);
    });
  } finally {
    scope.release();
  }
}
