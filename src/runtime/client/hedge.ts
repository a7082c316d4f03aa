/** A second question for a call whose first stays silent: a replica that froze still holds its connections. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { OutgoingCall } from "./transport.ts";

/** Hedges that may be sent at once, and the share of calls that earns one: when all are slow, more questions help nobody. */
const BURST = 10;
const SHARE = 0.1;

export interface Hedge {
  /**
   * The answer of `first`. When half of the call's time has gone without one, `second` is asked too; the answer that
   * comes first counts, the other is cancelled. Without an answer of either it is the failure of `first`.
   */
  run<T>(
    call: OutgoingCall,
    first: (signal: AbortSignal) => Promise<T>,
    second: (signal: AbortSignal) => Promise<T>,
  ): Promise<T>;
}

/** After Dean and Barroso, "The Tail at Scale", 2013. */
export function createHedge(clock: Clock): Hedge {
  let budget = BURST;
  return {
    async run(call, first, second) {
      budget = Math.min(BURST, budget + SHARE);
      const over = new AbortController();
      const onAbort = () => over.abort(call.signal.reason);
      call.signal.addEventListener("abort", onAbort);
      const silentForMs = (call.deadlineAtMs - clock.monotonic()) / 2;
      let cancelTimer = () => {};
      try {
        if (call.signal.aborted) onAbort();
        const asked = first(over.signal);
        const silent = new Promise<"silent">((resolve) => {
          cancelTimer = clock.after(silentForMs, () => resolve("silent"));
        });
        const outcome = await Promise.race([asked.then((answer) => ({ answer })), silent]);
        if (outcome !== "silent") return outcome.answer;
        if (budget < 1) return await asked;
        budget--;
        try {
          // Whichever fails waits for the other; when both have, the first one's failure is the call's.
          return await Promise.any([asked, second(over.signal)]).catch(() => asked);
        } finally {
          over.abort(new ServiceError("CANCELLED", "Another replica answered."));
        }
      } finally {
        cancelTimer();
        call.signal.removeEventListener("abort", onAbort);
      }
    },
  };
}
