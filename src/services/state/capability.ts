/** How outcomes move an agent's capability: c ← .9 c + .1 outcome for each, from .5. */

const KEEP = 0.9;
export const INITIAL_CAPABILITY = 0.5;

/**
 * The factors of `c ← keep · c + gain` for a batch. The order within a batch is not known, so each of its outcomes counts
 * as their mean: n of them keep .9ⁿ and add (1 − .9ⁿ) times the share that succeeded.
 */
export function smooth(
  succeeded: number,
  failed: number,
): { readonly keep: number; readonly gain: number; readonly initial: number } {
  const count = succeeded + failed;
  const keep = KEEP ** count;
  const gain = count === 0 ? 0 : ((1 - keep) * succeeded) / count;
  return { keep, gain, initial: INITIAL_CAPABILITY * keep + gain };
}
