/**
 * Looks at actions whose time has come: whether what was done has helped, whether what waits for the end of maintenance can be
 * taken back, and whether anybody decided on what was proposed.
 */
import type { Clock } from "#core/clock.ts";
import { runDetached } from "#runtime/call.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { type ActionEvent, type ActionRecord, isWaitingForUndo } from "./action.ts";
import type { CoordinatorConfig } from "./config.ts";
import { judgeEffect, type SeriesSince } from "./effect-check.ts";
import type { KnownActions } from "./known-actions.ts";
import type { Maintenances } from "./maintenances.ts";
import { heldByMaintenance } from "./policy/maintenance.ts";

export interface DueActionsDeps {
  readonly known: Pick<KnownActions, "all" | "steadyNow" | "latestNow">;
  readonly maintenances: Pick<Maintenances, "all">;
  /** Values of an incident's series since a time, with the crossing that says what was routine. */
  readonly seriesSince: (incidentId: string, series: readonly string[], sinceMs: number) => Promise<SeriesSince[]>;
  readonly change: (id: string, event: ActionEvent) => Promise<unknown>;
  /** What was to be taken back when maintenance is over. */
  readonly takeBack: (action: ActionRecord) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: () => CoordinatorConfig["effects"];
}

const LOOK_EVERY_MS = 1_000;

export function createDueActions(deps: DueActionsDeps) {
  const { known, maintenances, change, clock, log, config } = deps;
  let isOwner = false;
  let cancelTimer: (() => void) | undefined;
  let looking: Promise<void> = Promise.resolve();

  function arm(): void {
    if (!isOwner || cancelTimer !== undefined) return;
    const waits = known
      .all()
      .some(
        (one) =>
          one.state === "checking" || (one.state === "proposed" && one.expiresAtMs !== null) || isWaitingForUndo(one),
      );
    if (!waits) return;
    cancelTimer = runDetached(() =>
      clock.after(LOOK_EVERY_MS, () => {
        cancelTimer = undefined;
        looking = look().finally(arm);
      }),
    );
  }

  async function look(): Promise<void> {
    for (const action of known.all()) {
      if (!isOwner) return;
      try {
        if (action.state === "checking") await check(action);
        else if (isWaitingForUndo(action)) {
          if (heldByMaintenance(action, maintenances.all(), clock.now()) === undefined) await deps.takeBack(action);
        } else if (action.state === "proposed" && (action.expiresAtMs ?? Infinity) <= known.latestNow(action.id)) {
          await change(action.id, { kind: "expire" });
        }
      } catch (error) {
        log.warn({ err: error, actionId: action.id }, "An action could not be looked after; trying again.");
      }
    }
  }

  async function check(action: ActionRecord): Promise<void> {
    const { settleMs, withinMs, points, spreads } = config();
    const sinceMs = (action.actedAtMs ?? 0) + settleMs;
    const nowMs = known.steadyNow(action.id);
    if (nowMs < sinceMs) return;
    const series = await deps.seriesSince(action.incidentId, action.checkedSeries, sinceMs);
    const verdict = judgeEffect(series, { points, spreads });
    if (verdict.kind === "helped") {
      await change(action.id, { kind: "checked", verdict: "helped", evidence: verdict.evidence });
    } else if (nowMs >= sinceMs + withinMs) {
      const isSilent = verdict.kind === "silent";
      const since = action.isLost === true ? "its task was lost" : "it was done";
      const evidence = `${verdict.evidence.replace(/\.$/, "")}, ${Math.round(withinMs / 1_000)} s after ${since}.`;
      await change(action.id, { kind: "checked", verdict: isSilent ? "unsure" : "useless", evidence });
    }
  }

  return {
    /** Looks from time to time, only while there is something to look at. */
    arm,

    own(owns: boolean): void {
      isOwner = owns;
      cancelTimer?.();
      cancelTimer = undefined;
      arm();
    },

    async close(): Promise<void> {
      isOwner = false;
      cancelTimer?.();
      await looking;
    },
  };
}
