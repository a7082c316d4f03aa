/** Reasons over evidence. Keeps nothing but what it said and whether it was right, as rows: any replica may answer. */
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
const MOST_SAID = 1_000;

export function cognitiveService({ database, store, clock }: CognitiveDeps): Service<typeof cognitive> {
  const said = new Map<string, number>();
  let kept: { readonly calibration: Calibration; readonly untilMs: number } | undefined;

  async function calibration(): Promise<Calibration> {
    if (kept !== undefined && clock.monotonic() < kept.untilMs) return kept.calibration;
    const fresh = calibrate(await store.outcomes());
    kept = { calibration: fresh, untilMs: clock.monotonic() + CALIBRATION_KEPT_MS };
    return fresh;
  }

  /** The same said again is not written again: an incident is thought about every other second. */
  async function tell(incidentId: string, confidence: number): Promise<void> {
    if (said.get(incidentId) === confidence) return;
    await store.predict(incidentId, confidence, clock.now());
    if (said.size >= MOST_SAID) said.clear();
    said.set(incidentId, confidence);
  }

  return implement(
    cognitive,
    {
      async reasonAboutFailure({ incidentId, evidence }) {
        const { correct } = await calibration();
        const diagnosis = diagnose(evidence, correct);
        if (incidentId !== undefined) await tell(incidentId, diagnosis.cause.rawConfidence);
        return diagnosis;
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

      async recordOutcome({ incidentId, wasRight }) {
        const recorded = await store.judge(incidentId, wasRight);
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
