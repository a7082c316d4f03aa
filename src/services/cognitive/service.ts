/** Reasons over evidence. Keeps nothing but how sure it was and whether it was right, as rows: any replica may answer. */
import { cognitive } from "#contracts/cognitive.ts";
import type { Clock } from "#core/clock.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import { type Calibration, calibrate } from "./calibration.ts";
import { decide } from "./decision.ts";
import { diagnose } from "./diagnosis.ts";
import { assess, solve, synthesize } from "./experience.ts";
import { plan } from "./plan.ts";
import type { CognitiveStore } from "./store.ts";

export interface CognitiveDeps {
  readonly database: Database;
  readonly store: CognitiveStore;
  readonly clock: Clock;
}

/** Another replica's outcomes are known here after this long at the latest. */
const CALIBRATION_KEPT_MS = 5_000;

export function cognitiveService({ database, store, clock }: CognitiveDeps): Service<typeof cognitive> {
  let kept: { readonly calibration: Calibration; readonly untilMs: number } | undefined;

  async function calibration(): Promise<Calibration> {
    if (kept !== undefined && clock.monotonic() < kept.untilMs) return kept.calibration;
    const fresh = calibrate(await store.outcomes());
    kept = { calibration: fresh, untilMs: clock.monotonic() + CALIBRATION_KEPT_MS };
    return fresh;
  }

  return implement(
    cognitive,
    {
      async reasonAboutFailure({ evidence }) {
        return diagnose(evidence, (await calibration()).correct);
      },

      async makeDecision({ cause, options }) {
        return decide(cause, options);
      },

      async planTask(request) {
        return plan(request);
      },

      async solveProblem(problem) {
        return solve(problem);
      },

      async assessCapabilities({ performance, targets }) {
        return assess(performance, targets);
      },

      async synthesizeMemory({ cases, goal }) {
        return synthesize(cases, goal);
      },

      async recordOutcome({ actionId, rawConfidence, wasRight }) {
        const recorded = await store.put(actionId, { raw: rawConfidence, wasRight }, clock.now());
        kept = undefined;
        return { recorded };
      },

      async calibration() {
        const { outcomes, brierRaw, brierCorrected, bins } = calibrate(await store.outcomes());
        return { outcomes, brierRaw, brierCorrected, bins: [...bins] };
      },
    },
    { database },
  );
}
