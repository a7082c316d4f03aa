/**
 * The Numenta Anomaly Benchmark, v1.1: its data, its score, and what its score hides.
 *
 * Follows `nab/sweeper.py` and `nab/scorer.py` of numenta/NAB row by row (Lavin and Ahmad, "Evaluating Real-time Anomaly
 * Detection Algorithms", ICMLA 2015, section III), so a figure from here can stand beside a published one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "#core/random.ts";

/** One file of the benchmark. `windows` are first and last row of each labelled window, both inside it. */
export interface NabSeries {
  readonly group: string;
  readonly name: string;
  /** Strictly increasing: a few files repeat an hour when clocks go back; such a row comes one millisecond after the last. */
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly windows: readonly (readonly [first: number, last: number])[];
}

export interface NabProfile {
  readonly tpWeight: number;
  readonly fnWeight: number;
  readonly fpWeight: number;
}

export const NAB_PROFILES = {
  standard: { tpWeight: 1, fnWeight: 1, fpWeight: 0.11 },
  lowFalsePositives: { tpWeight: 1, fnWeight: 1, fpWeight: 0.22 },
  lowFalseNegatives: { tpWeight: 1, fnWeight: 2, fpWeight: 0.11 },
} as const satisfies Record<string, NabProfile>;

export interface NabResult {
  /** 0 is a detector that never alerts, 100 one that alerts at the first row of every window and nowhere else. */
  readonly score: number;
  readonly threshold: number;
  readonly windows: number;
  readonly windowsHit: number;
  readonly alertsInside: number;
  readonly alertsOutside: number;
  /** Rows after probation. */
  readonly rows: number;
}

/** Reads the folder that holds `data/<group>/<file>.csv` and `labels/combined_windows.json`. */
export function loadNab(folder: string): NabSeries[] {
  const labels: Record<string, [string, string][]> = JSON.parse(
    readFileSync(join(folder, "labels", "combined_windows.json"), "utf8"),
  );
  const groups = readdirSync(join(folder, "data")).sort();
  return groups.flatMap((group) =>
    readdirSync(join(folder, "data", group))
      .filter((name) => name.endsWith(".csv"))
      .sort()
      .map((name) =>
        parseSeries(
          group,
          name,
          readFileSync(join(folder, "data", group, name), "utf8"),
          labels[`${group}/${name}`] ?? [],
        ),
      ),
  );
}

function parseSeries(group: string, name: string, csv: string, labels: [string, string][]): NabSeries {
  const rows = csv.trimEnd().split("\n").slice(1);
  const stamps = rows.map((row) => row.slice(0, row.indexOf(",")));
  const timestampsMs = new Float64Array(rows.length);
  let previous = -Infinity;
  for (const [i, stamp] of stamps.entries()) {
    previous = Math.max(Date.parse(`${stamp.replace(" ", "T")}Z`), previous + 1);
    timestampsMs[i] = previous;
  }
  const row = (label: string) => {
    const index = stamps.indexOf(label.slice(0, 19));
    if (index < 0) throw new Error(`${group}/${name}: label ${label} is not the time of any row`);
    return index;
  };
  return {
    group,
    name,
    timestampsMs,
    values: Float64Array.from(rows, (text) => Number(text.slice(text.indexOf(",") + 1))),
    windows: labels.map(([first, last]) => [row(first), row(last)] as const),
  };
}

/** Rows at the start that are not scored. */
export function probationRows(rows: number): number {
  return Math.min(Math.floor(0.15 * rows), 750);
}

/** What an alert at each row is worth before weights, and the window it falls in (-1: none). */
export function rowWorth(series: NabSeries): { worth: Float64Array; window: Int32Array } {
  const rows = series.values.length;
  const worth = new Float64Array(rows);
  const window = new Int32Array(rows).fill(-1);
  let next = 0;
  for (let i = 0; i < rows; i++) {
    const current = series.windows[next];
    if (current && i >= current[0]) {
      const [first, last] = current;
      worth[i] = scaledSigmoid(-(last - i + 1) / (last - first + 1)) / scaledSigmoid(-1);
      window[i] = next;
      if (i === last) next++;
    } else {
      const past = series.windows[next - 1];
      worth[i] = past ? scaledSigmoid((i - past[1]) / (past[1] - past[0])) : -1;
    }
  }
  return { worth, window };
}

function scaledSigmoid(position: number): number {
  return position > 3 ? -1 : 2 / (1 + Math.exp(5 * position)) - 1;
}

/** The alertable rows of a corpus, best score first: prepared once, then swept under any profile and subset of groups. */
export class NabScorer {
  readonly #order: Uint32Array;
  readonly #score: Float64Array;
  readonly #worth: Float64Array;
  /** Index over all windows of the corpus, -1 outside. */
  readonly #window: Int32Array;
  readonly #group: Uint16Array;
  readonly #groups: string[];
  readonly #windowGroup: number[] = [];

  /** `scores[i]` belongs to `corpus[i]`, one score per row, higher is more anomalous. */
  constructor(corpus: readonly NabSeries[], scores: readonly ArrayLike<number>[]) {
    const kept = corpus.reduce((sum, { values }) => sum + values.length - probationRows(values.length), 0);
    this.#score = new Float64Array(kept);
    this.#worth = new Float64Array(kept);
    this.#window = new Int32Array(kept).fill(-1);
    this.#group = new Uint16Array(kept);
    this.#groups = [...new Set(corpus.map(({ group }) => group))];
    let at = 0;
    for (const [file, series] of corpus.entries()) {
      const { worth, window } = rowWorth(series);
      const group = this.#groups.indexOf(series.group);
      const firstWindow = this.#windowGroup.length;
      const fileScores = scores[file];
      if (fileScores?.length !== series.values.length) {
        throw new Error(`${series.name}: ${fileScores?.length ?? 0} scores for ${series.values.length} rows`);
      }
      for (let i = probationRows(series.values.length); i < series.values.length; i++, at++) {
        this.#score[at] = fileScores[i] as number;
        this.#worth[at] = worth[i] as number;
        if ((window[i] as number) >= 0) this.#window[at] = firstWindow + (window[i] as number);
        this.#group[at] = group;
      }
      for (const _ of series.windows) this.#windowGroup.push(group);
    }
    const score = this.#score;
    this.#order = Uint32Array.from(score.keys()).sort((a, b) => (score[b] as number) - (score[a] as number));
  }

  /** The corpus under the threshold that suits it best: the benchmark's own figure. */
  score(profile: NabProfile): NabResult {
    const all = this.#groups.map((_, index) => index);
    const { threshold } = this.#best(profile, new Set(all));
    return this.#normalised(profile, [this.#at(profile, new Set(all), threshold)]);
  }

  /** Leave one group out: each group under the threshold that suits the others. Raw scores summed, then normalised. */
  leaveOneGroupOut(profile: NabProfile): NabResult {
    const all = this.#groups.map((_, index) => index);
    const parts = all.map((left) => {
      const { threshold } = this.#best(profile, new Set(all.filter((group) => group !== left)));
      return this.#at(profile, new Set([left]), threshold);
    });
    return this.#normalised(profile, parts);
  }

  /** Walks down the scores once. Ties between thresholds go to the higher one, as in NAB: it alerts less. */
  #best(profile: NabProfile, groups: ReadonlySet<number>): { threshold: number; raw: number } {
    const taken = this.#windowGroup.map((group) => (groups.has(group) ? -profile.fnWeight : 0));
    let raw = taken.reduce((sum, worth) => sum + worth, 0);
    let best = { threshold: Infinity, raw };
    for (let k = 0; k < this.#order.length; k++) {
      const at = this.#order[k] as number;
      if (groups.has(this.#group[at] as number)) raw += this.#gain(at, profile, taken);
      // A threshold lies between two different scores: rows that tie are alerted together or not at all.
      const score = this.#score[at] as number;
      const tied = k + 1 < this.#order.length && this.#score[this.#order[k + 1] as number] === score;
      if (!tied && raw > best.raw) best = { threshold: score, raw };
    }
    return best;
  }

  /** A window is worth its earliest alert, which is its best; everything outside one costs. */
  #gain(at: number, profile: NabProfile, taken: number[]): number {
    const window = this.#window[at] as number;
    const worth = this.#worth[at] as number;
    if (window < 0) return worth * profile.fpWeight;
    const gained = Math.max(0, worth * profile.tpWeight - (taken[window] as number));
    taken[window] = (taken[window] as number) + gained;
    return gained;
  }

  #at(profile: NabProfile, groups: ReadonlySet<number>, threshold: number): Part {
    const taken = this.#windowGroup.map((group) => (groups.has(group) ? -profile.fnWeight : 0));
    const hit = new Set<number>();
    let raw = taken.reduce((sum, worth) => sum + worth, 0);
    let alertsInside = 0;
    let alertsOutside = 0;
    let rows = 0;
    for (const at of this.#order) {
      if (!groups.has(this.#group[at] as number)) continue;
      rows++;
      if ((this.#score[at] as number) < threshold) continue;
      raw += this.#gain(at, profile, taken);
      const window = this.#window[at] as number;
      if (window < 0) alertsOutside++;
      else {
        alertsInside++;
        hit.add(window);
      }
    }
    return { raw, threshold, windowsHit: hit.size, alertsInside, alertsOutside, rows };
  }

  #normalised(profile: NabProfile, parts: readonly Part[]): NabResult {
    const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0);
    const windows = this.#windowGroup.length;
    const nothing = -profile.fnWeight * windows;
    const perfect = profile.tpWeight * windows;
    return {
      score: (100 * (sum((part) => part.raw) - nothing)) / (perfect - nothing),
      threshold: Math.max(...parts.map((part) => part.threshold)),
      windows,
      windowsHit: sum((part) => part.windowsHit),
      alertsInside: sum((part) => part.alertsInside),
      alertsOutside: sum((part) => part.alertsOutside),
      rows: sum((part) => part.rows),
    };
  }
}

type Part = Pick<NabResult, "threshold" | "windowsHit" | "alertsInside" | "alertsOutside" | "rows"> & {
  readonly raw: number;
};

/** Copies of the corpus in which the same things happen: what a detector scores there it did not learn by heart. */
export function perturbNab(corpus: readonly NabSeries[]): Record<string, NabSeries[]> {
  const values = (change: (value: number, deviation: number) => number) =>
    corpus.map((series) => {
      const deviation = standardDeviation(series.values);
      return { ...series, values: series.values.map((value) => change(value, deviation)) };
    });
  const noisy = (random: Random) => values((value, deviation) => value + 0.02 * deviation * gaussian(random));
  const later = (hours: number) =>
    corpus.map((series) => ({ ...series, timestampsMs: series.timestampsMs.map((time) => time + hours * 3_600_000) }));
  return {
    original: [...corpus],
    "scaled by .0137": values((value) => value * 0.0137),
    "offset +3 sd": values((value, deviation) => value + 3 * deviation),
    "offset -2 sd": values((value, deviation) => value - 2 * deviation),
    "noise .02 sd, a": noisy(seededRandom(1)),
    "noise .02 sd, b": noisy(seededRandom(2)),
    "5 % dropped, a": corpus.map((series) => thinned(series, seededRandom(3))),
    "5 % dropped, b": corpus.map((series) => thinned(series, seededRandom(4))),
    "5 % dropped, c": corpus.map((series) => thinned(series, seededRandom(5))),
    "24 minutes later": later(0.4),
    "186 minutes later": later(3.1),
  };
}

function thinned(series: NabSeries, random: Random): NabSeries {
  const kept = [...series.values.keys()].filter(() => random.next() >= 0.05);
  const from = (row: number) =>
    Math.max(
      0,
      kept.findIndex((old) => old >= row),
    );
  const upTo = (row: number) => kept.findLastIndex((old) => old <= row);
  return {
    ...series,
    timestampsMs: Float64Array.from(kept, (row) => series.timestampsMs[row] as number),
    values: Float64Array.from(kept, (row) => series.values[row] as number),
    windows: series.windows.map(([first, last]) => [from(first), upTo(last)] as const),
  };
}

function standardDeviation(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}
