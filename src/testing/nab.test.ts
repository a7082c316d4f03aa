import { describe, expect, it } from "vitest";
import { describeWithNab } from "./describe-with-nab.ts";
import { NAB_PROFILES, NabScorer, type NabSeries, probationRows } from "./nab.ts";

const constant = (series: readonly NabSeries[], value: number) =>
  series.map(({ values }) => new Float64Array(values.length).fill(value));

function alertsAt(series: NabSeries, rows: readonly number[], score = 1): Float64Array {
  const scores = new Float64Array(series.values.length);
  for (const row of rows) scores[row] = score;
  return scores;
}

describeWithNab("the corpus", (corpus) => {
  it("has the files, windows and times the labels speak of", () => {
    expect(corpus).toHaveLength(31);
    expect(new Set(corpus.map(({ group }) => group)).size).toBe(5);
    expect(corpus.reduce((sum, { windows }) => sum + windows.length, 0)).toBe(53);
    for (const { timestampsMs } of corpus) {
      expect(timestampsMs.every((time, i) => i === 0 || time > (timestampsMs[i - 1] as number))).toBe(true);
    }
  });
});

describeWithNab("the score on the corpus", (corpus) => {
  for (const [name, profile] of Object.entries(NAB_PROFILES)) {
    it(`is 0 for the null detector and 100 for a perfect one (${name})`, () => {
      const none = new NabScorer(corpus, constant(corpus, 0.5));
      expect(none.score(profile)).toMatchObject({ score: 0, windowsHit: 0, alertsOutside: 0, windows: 53 });
      const perfect = new NabScorer(
        corpus,
        corpus.map((series) =>
          alertsAt(
            series,
            series.windows.map(([first]) => first),
          ),
        ),
      );
      expect(perfect.score(profile).score).toBeCloseTo(100, 10);
      expect(perfect.leaveOneGroupOut(profile).score).toBeCloseTo(100, 10);
      expect(perfect.score(profile)).toMatchObject({ windowsHit: 53, alertsOutside: 0 });
    });
  }
});

describe("the score", () => {
  // 100 rows, probation 15, one window of rows 40..49. Worked by hand from sweeper.py.
  const series: NabSeries = {
    group: "g",
    name: "small",
    timestampsMs: Float64Array.from({ length: 100 }, (_, i) => i),
    values: new Float64Array(100),
    windows: [[40, 49]],
  };
  const sigmoid = (x: number) => 2 / (1 + Math.exp(5 * x)) - 1;

  it("counts the earliest alert of a window and every alert outside", () => {
    const scores = alertsAt(series, [44, 47, 20, 52, 5]);
    const got = new NabScorer([series], [scores]).score(NAB_PROFILES.standard);
    const inside = sigmoid(-6 / 10) / sigmoid(-1);
    const outside = 0.11 * (-1 + sigmoid(3 / 9));
    expect(got.score).toBeCloseTo((100 * (inside + outside + 1)) / 2, 10);
    expect(got).toMatchObject({ windowsHit: 1, alertsInside: 2, alertsOutside: 2, rows: 85 });
  });

  it("picks the threshold, keeping tied rows together", () => {
    const scores = alertsAt(series, [30, 31, 32, 33, 34, 35, 36, 37, 38, 39], 0.4);
    scores[45] = 0.4;
    scores[48] = 0.9;
    const got = new NabScorer([series], [scores]).score(NAB_PROFILES.standard);
    // Row 45 is worth .24 more than row 48, but its ten equals outside cost 1.1.
    expect(got).toMatchObject({ threshold: 0.9, windowsHit: 1, alertsOutside: 0 });
    expect(got.score).toBeCloseTo((100 * (sigmoid(-2 / 10) / sigmoid(-1) + 1)) / 2, 10);
  });

  it("does not let a left-out group choose its own threshold", () => {
    const other = { ...series, group: "h" };
    const scores = [alertsAt(series, [40], 0.9), alertsAt(other, [40], 0.3)];
    const scorer = new NabScorer([series, other], scores);
    expect(scorer.score(NAB_PROFILES.standard).score).toBeCloseTo(100, 10);
    // g at h's threshold of .3 is perfect; h at g's of .9 misses.
    expect(scorer.leaveOneGroupOut(NAB_PROFILES.standard).score).toBeCloseTo(50, 10);
  });

  it("spares 15 % of a file, at most 750 rows", () => {
    expect([probationRows(1127), probationRows(4032), probationRows(22_695)]).toEqual([169, 604, 750]);
  });
});
