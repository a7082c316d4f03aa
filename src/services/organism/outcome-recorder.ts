/** Tells state how executions ended: summed up, every few seconds while there is something, and once each. */
import type { state } from "#contracts/state.ts";
import type { Clock } from "#core/clock.ts";
import type { InputOf } from "#core/contract.ts";
import type { Ids } from "#core/ids.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";

export type OutcomeBatch = InputOf<(typeof state)["procedures"]["recordOutcomes"]>;
export type AgentOutcome = OutcomeBatch["outcomes"][number];

export interface OutcomeRecorder {
  /** Zero outcomes make the agent known. */
  record(outcome: AgentOutcome): void;
  /** Sends what is left, once. */
  close(): Promise<void>;
}

/** As many as the contract takes. */
const MOST_AT_ONCE = 1_000;

export function createOutcomeRecorder(deps: {
  readonly send: (batch: OutcomeBatch) => Promise<unknown>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Logger;
  readonly intervalMs: number;
}): OutcomeRecorder {
  const { clock, ids, log } = deps;
  let sums = new Map<string, AgentOutcome>();
  /** Sent, but not known to be taken: it is sent again as it was, so that its id tells the receiver. */
  let unsure: OutcomeBatch | undefined;
  let sending: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;

  async function send(): Promise<void> {
    if (unsure === undefined && sums.size > 0) {
      const rest = [...sums];
      unsure = { batchId: ids.next("batch"), outcomes: rest.splice(0, MOST_AT_ONCE).map(([, outcome]) => outcome) };
      sums = new Map(rest);
    }
    const batch = unsure;
    if (batch === undefined) return;
    try {
      await deps.send(batch);
      unsure = undefined;
    } catch (error) {
      log.debug({ err: error, batchId: batch.batchId }, "Outcomes of agents could not be recorded; trying again.");
    }
  }

  function arm(): void {
    cancelTimer ??= runDetached(() =>
      clock.after(deps.intervalMs, () => {
        cancelTimer = undefined;
        sending = send().finally(() => {
          if (unsure !== undefined || sums.size > 0) arm();
        });
      }),
    );
  }

  return {
    record(outcome) {
      const key = JSON.stringify([outcome.agent, outcome.skill]);
      const sum = sums.get(key);
      sums.set(key, sum === undefined ? outcome : added(sum, outcome));
      arm();
    },
    async close() {
      cancelTimer?.();
      await sending;
      cancelTimer?.();
      await send();
      if (unsure === undefined) await send();
    },
  };
}

function added(sum: AgentOutcome, one: AgentOutcome): AgentOutcome {
  const gains = { E: 0, S: 0, O: 0 };
  for (const role of ["E", "S", "O"] as const) gains[role] = (sum.gains?.[role] ?? 0) + (one.gains?.[role] ?? 0);
  return { ...one, succeeded: sum.succeeded + one.succeeded, failed: sum.failed + one.failed, gains };
}
