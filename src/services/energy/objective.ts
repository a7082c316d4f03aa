/**
 * The energy of the unified state (the original's formula with its signs put right; docs/energy.md):
 *
 *     E = −⟨W, Ĥ Ĥᵀ⟩ / n² − w·e − α H(P) + λ |s|² + β c + γ d + Σ a
 *
 * Ĥ has the agents' skills in rows of length 1, so that the pair term lies within ±1 and E is bounded below by
 * −max|W| − Σ|w e| − α log 3.
 */
import type { Energy, UnifiedState } from "#contracts/energy.ts";

export interface Weights {
  readonly entropy: number;
  readonly regularity: number;
  readonly cost: number;
  readonly drift: number;
}

export const WEIGHTS: Weights = { entropy: 0.1, regularity: 0.01, cost: 0.1, drift: 0.5 };

export interface Gradient {
  readonly h: number[][];
  readonly p: number[][];
  readonly s: number[];
}

/** Why a state cannot be evaluated, in a sentence; undefined when it can. */
export function problemOf({ h, p, w }: UnifiedState): string | undefined {
  if (h.length !== p.length) return `h is of ${h.length} agents and p of ${p.length}: give both for the same agents.`;
  const width = h[0]?.length ?? 0;
  if (h.some((row) => row.length !== width)) return "The rows of h differ in length: give every agent every skill.";
  if (w !== undefined && (w.length !== h.length || w.some((row) => row.length !== h.length))) {
    return `w must have ${h.length} rows of ${h.length}.`;
  }
  const off = p.findIndex((row) => Math.abs(row.reduce((sum, share) => sum + share, 0) - 1) > 1e-6);
  return off < 0 ? undefined : `The roles of agent ${off} do not sum to 1.`;
}

export function evaluate(state: UnifiedState, weights: Weights = WEIGHTS): Energy {
  const rows = state.h.map(unit);
  const { pair } = pairTerm(rows, state.w);
  const { patterns, drift } = state;
  const terms = {
    pair,
    ...(patterns && { patterns: -patterns.reduce((sum, { weight, value }) => sum + weight * value, 0) }),
    entropy: -weights.entropy * meanEntropy(state.p),
    regularity: weights.regularity * state.s.reduce((sum, value) => sum + value * value, 0),
    cost: weights.cost * state.cost,
    ...(drift !== undefined && { drift: weights.drift * drift }),
    anomaly: state.anomalies.reduce((sum, weight) => sum + weight, 0),
  };
  return { total: Object.values(terms).reduce((sum, term) => sum + term, 0), terms };
}

/** Of the total by h, p and s. Where an agent has no skill at all, its row of h has no direction, and none is given. */
export function gradientOf(state: UnifiedState, weights: Weights = WEIGHTS): Gradient {
  const rows = state.h.map(unit);
  const { mixed } = pairTerm(rows, state.w);
  const n = Math.max(1, rows.length);
  return {
    h: state.h.map((row, i) => {
      const length = norm(row);
      const own = rows[i] as number[];
      const pull = (mixed[i] as number[]).map((value) => -value / n ** 2);
      const along = pull.reduce((sum, value, k) => sum + value * (own[k] as number), 0);
      return own.map((value, k) => (length === 0 ? 0 : ((pull[k] as number) - along * value) / length));
    }),
    p: state.p.map((row) => row.map((share) => (share <= 0 ? 0 : (weights.entropy * (Math.log(share) + 1)) / n))),
    s: state.s.map((value) => 2 * weights.regularity * value),
  };
}

/**
 * −⟨W, Ĥ Ĥᵀ⟩ / n², and (W + Wᵀ) Ĥ, which its gradient needs. Equal affinities need no matrix: the sum of all pairs is the
 * square of the sum of all rows.
 */
function pairTerm(rows: readonly number[][], w: readonly number[][] | undefined): { pair: number; mixed: number[][] } {
  const n = rows.length;
  if (n === 0) return { pair: 0, mixed: [] };
  const width = rows[0]?.length ?? 0;
  if (w === undefined) {
    const total = Array.from({ length: width }, (_, k) => rows.reduce((sum, row) => sum + (row[k] as number), 0));
    const square = total.reduce((sum, value) => sum + value * value, 0);
    const doubled = total.map((value) => 2 * value);
    return { pair: -square / n ** 2, mixed: rows.map(() => doubled) };
  }
  const mixed = rows.map(() => Array.from({ length: width }, () => 0));
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const both = (w[i]?.[j] as number) + (w[j]?.[i] as number);
      for (let k = 0; k < width; k++) {
        const value = rows[j]?.[k] as number;
        (mixed[i] as number[])[k] = (mixed[i]?.[k] as number) + both * value;
        sum += (w[i]?.[j] as number) * (rows[i]?.[k] as number) * value;
      }
    }
  }
  return { pair: -sum / n ** 2, mixed };
}

/** Mean over the agents, in nats: 0 where everybody has one role, log 3 where all have all alike. */
function meanEntropy(p: readonly number[][]): number {
  if (p.length === 0) return 0;
  const all = p.flat().reduce((sum, share) => sum - (share <= 0 ? 0 : share * Math.log(share)), 0);
  return all / p.length;
}

function unit(row: readonly number[]): number[] {
  const length = norm(row);
  return row.map((value) => (length === 0 ? 0 : value / length));
}

const norm = (row: readonly number[]): number => Math.hypot(...row);
