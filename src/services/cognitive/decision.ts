/** Which option to take, or to hold: by the ΔE that is expected of it. */
import type { CauseKind, cognitive, Option } from "#contracts/cognitive.ts";
import type { OutputOf } from "#core/contract.ts";
import { betaEstimate } from "./proportion.ts";

export type Decision = OutputOf<(typeof cognitive)["procedures"]["makeDecision"]>;

/** What taking a risk costs, in units of energy: an incident of medium severity is 2. */
const RISK_COST: Readonly<Record<Option["risk"], number>> = { none: 0, low: 0.05, high: 0.2 };
/** An option nobody has tried helps as often as this, if the cause is right. */
export const UNTRIED = { mean: 0.6, strength: 4 } as const;
/** Below it the cause is a guess, and a guess is no ground to act on. */
const LEAST_CONFIDENCE = 0.5;
/** ΔE of an option whose effect nobody has predicted: that of an incident of medium severity. */
const UNPREDICTED = -2;

export function decide(
  cause: { readonly service: string | null; readonly kind: CauseKind; readonly confidence: number },
  options: readonly Option[],
): Decision {
  const ranked = options
    .map((option, index) => {
      const experience = betaEstimate(option.helped, option.failed, UNTRIED).mean;
      const chance = experience * cause.confidence;
      const deltaE = expectedDeltaE(chance, option.risk, option.predictedDeltaE ?? undefined);
      const tried = option.helped + option.failed;
      const known = tried === 0 ? "never tried on this" : `helped ${option.helped} of ${tried} times`;
      const text = `${option.skill} of ${option.target}: ${known}, ${percent(chance)} to help, ΔE ${deltaE.toFixed(2)} expected.`;
      return { index, expectedDeltaE: deltaE, chance, text, refs: option.cases };
    })
    .sort((a, b) => a.expectedDeltaE - b.expectedDeltaE || a.index - b.index);
  const hold = (reasoning: string): Decision => ({
    action: "hold",
    chosen: null,
    reasoning,
    confidence: 1 - (ranked[0]?.chance ?? 0),
    ranked,
  });
  const [best] = ranked;
  if (best === undefined) return hold("There is nothing to choose from.");
  if (cause.confidence < LEAST_CONFIDENCE) {
    return hold(
      `The cause (${cause.service ?? cause.kind}) is only ${percent(cause.confidence)} sure; acting on it would be a guess.`,
    );
  }
  if (best.expectedDeltaE >= 0)
    return hold(`The best there is would cost more than it is likely to bring. ${best.text}`);
  return { action: "act", chosen: best.index, reasoning: best.text, confidence: best.chance, ranked };
}

/** What doing it brings, less what it risks; negative is good. */
export function expectedDeltaE(chance: number, risk: Option["risk"], deltaEIfItHelps = UNPREDICTED): number {
  return chance * deltaEIfItHelps + RISK_COST[risk];
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
