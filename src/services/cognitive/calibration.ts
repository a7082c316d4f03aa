/**
 * How much a confidence is worth, by how often such a one was right. Ten bins; each is smoothed towards its own mean as if
 * it had been right that often for a number of times before, then made monotone by pooling adjacent violators (isotonic
 * regression; Zadrozny and Elkan, KDD 2002). Without outcomes it changes nothing.
 */

export interface Outcome {
  /** Confidence before correction. */
  readonly raw: number;
  readonly wasRight: boolean;
}

export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly predictions: number;
  readonly meanConfidence: number | null;
  readonly rightShare: number | null;
}

export interface Calibration {
  readonly correct: (raw: number) => number;
  readonly bins: readonly Bin[];
  readonly outcomes: number;
  /** Mean squared error of the confidences as they were said; null without outcomes. */
  readonly brierRaw: number | null;
  /** The same after correction. */
  readonly brierCorrected: number | null;
}

const BINS = 10;
/** Imagined outcomes per bin that agree with what was said. */
const PRIOR = 10;

export function calibrate(outcomes: readonly Outcome[]): Calibration {
  const groups = Array.from({ length: BINS }, (): Outcome[] => []);
  for (const outcome of outcomes) (groups[binOf(outcome.raw)] as Outcome[]).push(outcome);
  const anchors = pooled(
    groups.map((group, i) => {
      const center = (i + 0.5) / BINS;
      const right = group.filter(({ wasRight }) => wasRight).length;
      const said = group.reduce((sum, { raw }) => sum + raw, 0);
      const x = (PRIOR * center + said) / (PRIOR + group.length);
      return { x, y: (PRIOR * center + right) / (PRIOR + group.length), weight: PRIOR + group.length };
    }),
  );
  const points = [endOf(0, groups[0], anchors[0]), ...anchors, endOf(1, groups.at(-1), anchors.at(-1))];
  const correct = (raw: number): number => interpolate(points, raw);
  return {
    correct,
    outcomes: outcomes.length,
    bins: groups.map((group, i) => ({
      from: i / BINS,
      to: (i + 1) / BINS,
      predictions: group.length,
      meanConfidence: mean(group.map(({ raw }) => raw)),
      rightShare: mean(group.map(({ wasRight }) => Number(wasRight))),
    })),
    brierRaw: brier(outcomes, (raw) => raw),
    brierCorrected: brier(outcomes, correct),
  };
}

interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

function pooled(anchors: readonly Anchor[]): Anchor[] {
  const blocks: { members: Anchor[]; y: number; weight: number }[] = [];
  for (const anchor of anchors) {
    blocks.push({ members: [anchor], y: anchor.y, weight: anchor.weight });
    for (;;) {
      const last = blocks.at(-1);
      const before = blocks.at(-2);
      if (last === undefined || before === undefined || before.y <= last.y) break;
      blocks.splice(-2, 2, {
        members: [...before.members, ...last.members],
        y: (before.y * before.weight + last.y * last.weight) / (before.weight + last.weight),
        weight: before.weight + last.weight,
      });
    }
  }
  return blocks.flatMap(({ members, y }) => members.map(({ x, weight }) => ({ x, y, weight })));
}

type Point = Pick<Anchor, "x" | "y">;

/** What 0 or 1 is worth, by the bin at that end; without outcomes, itself. */
function endOf(x: 0 | 1, group: readonly Outcome[] = [], next?: Point): Point {
  const right = group.filter(({ wasRight }) => wasRight).length;
  const y = (PRIOR * x + right) / (PRIOR + group.length);
  // Pooling may have moved its neighbour beyond.
  return { x, y: x === 0 ? Math.min(y, next?.y ?? y) : Math.max(y, next?.y ?? y) };
}

/** Linear between the bins' means, and on to both ends. */
function interpolate(points: readonly Point[], raw: number): number {
  const above = points.findIndex(({ x }) => x >= Math.min(1, raw));
  const low = points[Math.max(0, above - 1)] as Point;
  const high = points[above] as Point;
  const share = high.x === low.x ? 1 : (raw - low.x) / (high.x - low.x);
  return Math.min(1, Math.max(0, low.y + share * (high.y - low.y)));
}

const binOf = (raw: number): number => Math.min(BINS - 1, Math.max(0, Math.floor(raw * BINS)));

function brier(outcomes: readonly Outcome[], said: (raw: number) => number): number | null {
  return mean(outcomes.map(({ raw, wasRight }) => (said(raw) - Number(wasRight)) ** 2));
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
