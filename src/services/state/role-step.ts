/**
 * How outcomes move the shares of an agent's roles: multiplicative weights with a fixed share (Herbster and Warmuth, 1998).
 *
 *     p ← (1 − σ) · p exp(η g) / Σ p exp(η g) + σ · prior
 *
 * g is what a role brought beyond what was expected, so that a role in which the agent does better than it usually does
 * grows. The shares stay positive and sum to 1, and σ leads them back to where they began when none is better.
 */
import type { Roles } from "#contracts/state.ts";

const ETA = 0.1;
/** Keeps one batch of many outcomes from deciding for good. */
const MOST = 1;
export const SIGMA = 0.01;

/** exp(η g) by role. */
export function roleFactors(gains: Roles): Roles {
  const factor = (gain: number) => Math.exp(Math.max(-MOST, Math.min(MOST, ETA * gain)));
  return { E: factor(gains.E), S: factor(gains.S), O: factor(gains.O) };
}
