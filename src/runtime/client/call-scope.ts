import type { Clock } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";

/** The time a call may take: one signal for its deadline, its caller's signal and the surrounding call's. */
export interface CallScope {
  readonly signal: AbortSignal;
  /** From now on only the callers' signals count: a stream that has begun goes on. */
  endDeadline(): void;
  /** Removes its timer and listeners; call it however the call ended. */
  release(): void;
  /** Ends the call for `reason`. */
  abort(reason: ServiceError): void;
}

export function openCallScope(
  clock: Clock,
  name: string,
  deadlineAtMs: number,
  outer: readonly (AbortSignal | undefined)[],
): CallScope {
  const controller = new AbortController();
  const leftMs = deadlineAtMs - clock.monotonic();
  const endDeadline = clock.after(Math.max(0, leftMs), () => {
    controller.abort(new ServiceError("DEADLINE", `${name} did not answer within ${Math.round(leftMs)} ms.`));
  });
  const onAbort = (event: Event) => cancel((event.target as AbortSignal).reason);
  const cancel = (cause: unknown) => {
    controller.abort(
      isServiceError(cause) ? cause : new ServiceError("CANCELLED", `${name} was cancelled by its caller.`, { cause }),
    );
  };
  for (const signal of outer) {
    if (signal?.aborted) cancel(signal.reason);
    else signal?.addEventListener("abort", onAbort);
  }
  return {
    signal: controller.signal,
    endDeadline,
    release() {
      endDeadline();
      for (const signal of outer) signal?.removeEventListener("abort", onAbort);
    },
    abort: (reason) => controller.abort(reason),
  };
}
