/** Whether one version errs more than another, told from chance. */

export interface Rate {
  readonly calls: number;
  readonly errors: number;
}

/**
 * The chance to be taken for worse in one look without being so. Small, because a rollout looks once a second: looks that
 * follow each other share most of their calls, so that a rollout of minutes stays below one in a hundred.
 */
export const SIGNIFICANCE = 0.0005;
/** A difference of error rates that is not worth a return, however certain it is. */
export const TOLERATED_RATIO = 0.005;

/** Fewer prove nothing, however rare errors were before. */
export const FEWEST_ERRORS = 3;

/**
 * Whether `next` errs more often than `old`: at least `FEWEST_ERRORS` times, by more than `TOLERATED_RATIO`, and so that
 * Fisher's exact test, one-sided, gives less than `SIGNIFICANCE`.
 */
export function isWorse(old: Rate, next: Rate): boolean {
  if (next.errors < FEWEST_ERRORS) return false;
  const oldRatio = old.calls === 0 ? 0 : old.errors / old.calls;
  if (next.errors / next.calls - oldRatio <= TOLERATED_RATIO) return false;
  return fisherTail(withFloor(old), next) < SIGNIFICANCE;
}

/**
 * Against few calls of the old version no rate could ever be worse, and a new one without any to compare with would be
 * let through: it counts as having done this many calls without an error more.
 */
const ASSUMED_CALLS = 20;

function withFloor({ calls, errors }: Rate): Rate {
  return { calls: calls + ASSUMED_CALLS, errors };
}

/** P(next has at least its errors | all calls err alike, and so many err in all): the upper tail of a hypergeometric law. */
export function fisherTail(old: Rate, next: Rate): number {
  const calls = old.calls + next.calls;
  const errors = old.errors + next.errors;
  const most = Math.min(errors, next.calls);
  const atMost = logChoose(calls, errors);
  let tail = 0;
  for (let k = next.errors; k <= most; k++) {
    const term = Math.exp(logChoose(next.calls, k) + logChoose(old.calls, errors - k) - atMost);
    tail += term;
    // The terms fall ever faster beyond their peak.
    if (term < tail * 1e-12) break;
  }
  return Math.min(1, tail);
}

function logChoose(n: number, k: number): number {
  return k < 0 || k > n ? Number.NEGATIVE_INFINITY : logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

const EXACT: number[] = [0];
for (let n = 1; n < 32; n++) EXACT.push((EXACT[n - 1] ?? 0) + Math.log(n));

/** Stirling's series beyond the table: its error is below 1e-10 there. */
function logFactorial(n: number): number {
  return EXACT[n] ?? (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * n) - 1 / (360 * n ** 3);
}
