/** A second question for a call whose first stays silent: a replica that froze still holds its connections. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { type Cancellation, CancellationBranch } from "./cancellation.ts";
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
    first: (over: Cancellation) => Promise<T>,
    second: (over: Cancellation) => Promise<T>,
  ): Promise<T>;
}

/** After Dean and Barroso, "The Tail at Scale", 2013. */
export function createHedge(clock: Clock): Hedge {
  let budget = BURST;
  return {
    run<T>(call: OutgoingCall, first: (over: Cancellation) => Promise<T>, second: (over: Cancellation) => Promise<T>) {
      budget = Math.min(BURST, budget + SHARE);
      const over = new CancellationBranch(call.signal);
      return new Promise<T>((resolve, reject) => {
        /** Questions that may still be answered. */
        let open = 1;
        let failure: unknown;
        const answered = (answer: T) => {
          end();
          if (open > 1) over.abort(new ServiceError("CANCELLED", "Another replica answered."));
          resolve(answer);
        };
        const failed = () => {
          if (--open > 0) return;
          end();
          reject(failure);
        };
        const silentForMs = (call.deadlineAtMs - clock.monotonic()) / 2;
        const cancelTimer = clock.after(silentForMs, () => {
          if (budget < 1) return;
          budget--;
          open++;
          second(over).then(answered, failed);
        });
        const end = () => {
          cancelTimer();
          over.release();
        };
        first(over).then(answered, (error: unknown) => {
          failure = error;
          failed();
        });
      });
    },
  };
}
