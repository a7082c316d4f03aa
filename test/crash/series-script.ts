/** Series whose every point follows from a seed: nothing has to be remembered to know what must be stored. */
import { mix, uniformAt } from "./seeds.ts";

export interface SeriesScript {
  readonly name: string;
  /** The point at an index, from 0: timestamps strictly increase. */
  point(index: number): readonly [timestampMs: number, value: number];
}

const START_MS = Date.UTC(2026, 0, 1);
/** One point a day: what comes once in a hundred points is then rare enough to be noticed each time. */
const STEP_MS = 86_400_000;
/** No series is known well enough before that many points to notice anything. */
const ORDINARY_POINTS = 300;
const EXTREME_EVERY = 150;

/**
 * Noise around a level; after some hundreds of points, now and then, a value nobody can overlook: half of them in one
 * series alone, half in all series of the source at once.
 */
export function seriesScript(seed: number, source: string, name: string): SeriesScript {
  const shared = hash(seed, source);
  const own = hash(shared, name);
  return {
    name,
    point(index) {
      const timestampMs = START_MS + index * STEP_MS + Math.floor(uniformAt(own, index, 1) * 900);
      const noise = uniformAt(own, index, 2) + uniformAt(own, index, 3) + uniformAt(own, index, 4) - 1.5;
      const draws = [uniformAt(own, index, 5), uniformAt(shared, index, 5)];
      const isExtreme = index >= ORDINARY_POINTS && Math.min(...draws) < 1 / (2 * EXTREME_EVERY);
      return [timestampMs, 100 + noise * 4 + (isExtreme ? 5_000 : 0)];
    },
  };
}

function hash(seed: number, text: string): number {
  return mix(seed, ...Buffer.from(text));
}
