/** Whether an action helped: a look at the series it was meant for. Pure. */
import type { Crossing } from "#contracts/ml.ts";

export interface EffectLimits {
  /** Newest points of each series that must be routine. */
  readonly points: number;
  /** Spreads within which a value is routine. */
  readonly spreads: number;
}

/** Newest values of a series since the action, oldest first, and the crossing that says what was routine. */
export interface SeriesSince {
  readonly series: string;
  readonly crossing: Pick<Crossing, "value" | "expected" | "spread" | "direction">;
  readonly values: readonly number[];
}

export type Verdict =
  /** Every series is where it was before the incident. */
  | { readonly kind: "helped"; readonly evidence: string }
  /** Some series has points, and they are not routine. */
  | { readonly kind: "not yet"; readonly evidence: string }
  /** Some series has too few points since. */
  | { readonly kind: "silent"; readonly evidence: string };

/**
 * The way back counts, too: a value within a fifth of the way from routine to where it had been is routine, since spreads
 * of calm series can be tiny. A median, so that one straggler proves nothing.
 */
const WAY_BACK = 0.2;

export function judgeEffect(all: readonly SeriesSince[], limits: EffectLimits): Verdict {
  const silent = all.filter(({ values }) => values.length < limits.points);
  for (const { series, crossing, values } of all) {
    if (values.length < limits.points) continue;
    const now = median(values.slice(-limits.points));
    const allowed = Math.max(limits.spreads * crossing.spread, WAY_BACK * Math.abs(crossing.value - crossing.expected));
    // Beyond routine on the other side is no longer this incident: a process that has just started is small.
    const beyond = crossing.direction === "up" ? now - crossing.expected : crossing.expected - now;
    if (beyond > allowed) {
      return {
        kind: "not yet",
        evidence: `${series} is at ${number(now)} where ${number(crossing.expected)} was routine.`,
      };
    }
  }
  if (silent.length > 0) {
    return {
      kind: "silent",
      evidence: `${silent.map(({ series }) => series).join(", ")}: too few points since to tell.`,
    };
  }
  const named = all.map(({ series, values }) => `${series} at ${number(median(values.slice(-limits.points)))}`);
  return { kind: "helped", evidence: `Routine again: ${named.join(", ")}.` };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

const number = (value: number): string => String(Number(value.toPrecision(4)));
