/** How much of what was predicted has come true, by which the next prediction is corrected. */

/** What was predicted of one action before correction, and what was measured. */
export interface Settled {
  readonly rawDeltaE: number | null;
  readonly measuredDeltaE: number | null;
}

/** As if so much had been predicted before and had come true in full: the size of five incidents of medium severity. */
const PRIOR = 10;
/** It makes an action more or less worth doing; it alone does not forbid one that could then never prove it wrong. */
const [LEAST, MOST] = [0.5, 1.5];

/** A factor, 1 before the first; of actions that nothing was expected of nothing is learned. */
export function correctionOf(settled: readonly Settled[]): number {
  let predicted = 0;
  let measured = 0;
  for (const { rawDeltaE, measuredDeltaE } of settled) {
    if (rawDeltaE === null || measuredDeltaE === null || rawDeltaE >= 0) continue;
    predicted += rawDeltaE;
    measured += measuredDeltaE;
  }
  return Math.min(MOST, Math.max(LEAST, (PRIOR - measured) / (PRIOR - predicted)));
}
