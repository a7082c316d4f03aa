/** How sure a share is: estimates with their intervals. */

/** Posterior of a success rate under a Beta prior, by its mean and a central interval (normal approximation, cut to 0..1). */
export function betaEstimate(
  successes: number,
  failures: number,
  prior: { readonly mean: number; readonly strength: number } = { mean: 0.5, strength: 2 },
): { readonly mean: number; readonly interval: [number, number] } {
  const a = successes + prior.mean * prior.strength;
  const b = failures + (1 - prior.mean) * prior.strength;
  const mean = a / (a + b);
  // 90 %.
  const half = 1.645 * Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)));
  return { mean, interval: [Math.max(0, mean - half), Math.min(1, mean + half)] };
}

/** Wilson's 95 % score interval of a proportion (Wilson, JASA 22, 1927). */
export function wilson(successes: number, attempts: number): [number, number] {
  if (attempts === 0) return [0, 1];
  const z = 1.96;
  const share = successes / attempts;
  const shrink = 1 + z ** 2 / attempts;
  const center = (share + z ** 2 / (2 * attempts)) / shrink;
  const half = (z * Math.sqrt((share * (1 - share)) / attempts + z ** 2 / (4 * attempts ** 2))) / shrink;
  return [Math.max(0, center - half), Math.min(1, center + half)];
}

/** How likely a share is at least `target` after what was seen, with nothing known before (normal approximation). */
export function chanceOfAtLeast(target: number, successes: number, failures: number): number {
  const a = successes + 1;
  const b = failures + 1;
  const mean = a / (a + b);
  const deviation = Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)));
  // The logistic function is within .01 of the normal distribution's (Bowling et al., JIEM 2, 2009).
  return 1 / (1 + Math.exp((-1.702 * (mean - target)) / deviation));
}
