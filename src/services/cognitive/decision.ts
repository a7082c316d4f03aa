/** Which option to take, or to hold: by the ΔE that is expected of it. */
import { skillName } from "#contracts/action-text.ts";
import type { CauseKind, cognitive, Option } from "#contracts/cognitive.ts";
import type { OutputOf } from "#core/contract.ts";
import { betaEstimate } from "./proportion.ts";

export type Decision = OutputOf<(typeof cognitive)["procedures"]["makeDecision"]>;

/** What a risk counts against an action, in units of energy; no ledger measures it. An incident of medium severity is 2. */
const RISK_PRICE: Readonly<Record<Option["risk"], number>> = { none: 0, low: 0.05, high: 0.2 };
/** An option nobody has tried helps as often as this, if the cause is right. */
export const UNTRIED = { mean: 0.6, strength: 4 } as const;
/** Below it the cause is a guess, and a guess is no ground to act on. */
const LEAST_CONFIDENCE = 0.5;
/** ΔE of an option whose effect nobody has predicted: that of an incident of medium severity. */
export const UNPREDICTED = -2;

export function decide(
  cause: { readonly service: string | null; readonly kind: CauseKind; readonly confidence: number },
  options: readonly Option[],
): Decision {
  const ranked = options
    .map((option, index) => {
      const experience = betaEstimate(option.helped, option.failed, UNTRIED).mean;
      const chance = experience * cause.confidence;
      const expectedDeltaE = chance * (option.predictedDeltaE ?? UNPREDICTED);
      const netDeltaE = netOf(expectedDeltaE, option.risk);
      const tried = option.helped + option.failed;
      const known =
        tried === 0 ? "never tried on this" : `helped ${option.helped} of ${tried} times${namesOf(option.cases)}`;
      const text = `${skillName(option)}: ${known}, ${percent(chance)} to help, ΔE ${expectedDeltaE.toFixed(2)} expected.`;
      return { index, expectedDeltaE, netDeltaE, chance, text, refs: option.cases };
    })
    .sort((a, b) => a.netDeltaE - b.netDeltaE || a.index - b.index);
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
  if (best.netDeltaE >= 0) return hold(`The best there is risks more than it is likely to bring. ${best.text}`);
  return { action: "act", chosen: best.index, reasoning: best.text, confidence: best.chance, ranked };
}

/** What doing it brings, less what it risks; below 0 it is worth it. */
export function netOf(expectedDeltaE: number, risk: Option["risk"]): number {
  return expectedDeltaE + RISK_PRICE[risk];
}

/** The first of them, since a person is to read it; all are in `refs`. */
function namesOf(cases: readonly string[]): string {
  if (cases.length === 0) return "";
  return ` (${cases.slice(0, 3).join(", ")}${cases.length > 3 ? ", …" : ""})`;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
