/**
 * The anomaly detector on the Numenta Anomaly Benchmark: `node bench/nab.ts [--perturbed]`.
 *
 * Reads the data from $SEEDCORE_SHARED/data/nab, or ../shared/data/nab. `--perturbed` repeats it on copies that are scaled,
 * shifted, noisy, thinned or moved in time: what a detector loses there it had learned by heart.
 */
import { parseArgs } from "node:util";
import { createDetector } from "#services/ml/detector/detector.ts";
import { createSeriesScorer } from "#services/ml/series-scorer.ts";
import { loadNab, NAB_PROFILES, NabScorer, type NabSeries, perturbNab } from "#testing/nab.ts";
import { nabFolder } from "./nab-folder.ts";

const { values: options } = parseArgs({ options: { perturbed: { type: "boolean", default: false } } });
const corpus = loadNab(nabFolder());

function scoresOf({ values, timestampsMs }: NabSeries): Float64Array {
  const detector = createDetector();
  return values.map((value, i) => detector.update(value, timestampsMs[i] as number));
}

function profiles(): void {
  const scorer = new NabScorer(corpus, corpus.map(scoresOf));
  console.log("profile             score   LOGO   threshold   windows hit   alerts outside   points alerted");
  for (const [name, profile] of Object.entries(NAB_PROFILES)) {
    const own = scorer.score(profile);
    const left = scorer.leaveOneGroupOut(profile);
    const alerted = (100 * (own.alertsInside + own.alertsOutside)) / own.rows;
    console.log(
      `${name.padEnd(18)} ${own.score.toFixed(2).padStart(6)} ${left.score.toFixed(2).padStart(6)} ${own.threshold.toFixed(3).padStart(11)}` +
        ` ${`${own.windowsHit} of ${own.windows}`.padStart(13)} ${String(own.alertsOutside).padStart(16)} ${alerted.toFixed(3).padStart(14)} %`,
    );
  }
}

function crossings(): void {
  let outside = 0;
  let days = 0;
  const hit = new Set<string>();
  for (const { name, values, timestampsMs, windows } of corpus) {
    const scorer = createSeriesScorer();
    for (const [i, value] of values.entries()) {
      if (!scorer.update(value, timestampsMs[i] as number).crossing) continue;
      const window = windows.findIndex(([first, last]) => i >= first && i <= last);
      if (window < 0) outside++;
      else hit.add(`${name} ${window}`);
    }
    days += ((timestampsMs.at(-1) as number) - (timestampsMs[0] as number)) / 86_400_000;
  }
  const windows = corpus.reduce((sum, series) => sum + series.windows.length, 0);
  console.log(
    `alarm, defaults: ${hit.size} of ${windows} windows crossed, ${outside} crossings outside, one per ${(days / outside).toFixed(0)} days of a series`,
  );
}

/** Processor time and not wall time: other work on the machine is not the detector's. */
function speed(update: () => (value: number, timestampMs: number) => unknown): string {
  const rounds = Array.from({ length: 7 }, () => {
    const before = process.cpuUsage();
    let points = 0;
    for (const { values, timestampsMs } of corpus) {
      const next = update();
      for (let i = 0; i < values.length; i++) next(values[i] as number, timestampsMs[i] as number);
      points += values.length;
    }
    const { user, system } = process.cpuUsage(before);
    return points / ((user + system) / 1e6);
  });
  return `${(rounds.sort((a, b) => a - b)[3] as number).toFixed(0)} points/s of one core`;
}

function perturbed(): void {
  console.log("\ncopy             standard   LOGO   low-FP   low-FN   hit   outside");
  for (const [name, copy] of Object.entries(perturbNab(corpus))) {
    const scorer = new NabScorer(copy, copy.map(scoresOf));
    const { standard, lowFalsePositives, lowFalseNegatives } = NAB_PROFILES;
    const own = scorer.score(standard);
    const figures = [
      own,
      scorer.leaveOneGroupOut(standard),
      scorer.score(lowFalsePositives),
      scorer.score(lowFalseNegatives),
    ];
    console.log(
      `${name.padEnd(18)}${figures.map(({ score }) => score.toFixed(1).padStart(7)).join(" ")} ${String(own.windowsHit).padStart(6)} ${String(own.alertsOutside).padStart(8)}`,
    );
  }
}

profiles();
crossings();
console.log(
  `detector: ${speed(() => {
    const detector = createDetector();
    return (value, timestampMs) => detector.update(value, timestampMs);
  })}, state ${createDetector().save().length} bytes`,
);
console.log(
  `detector and alarm: ${speed(() => {
    const scorer = createSeriesScorer();
    return (value, timestampMs) => scorer.update(value, timestampMs);
  })}, state ${createSeriesScorer().save().length} bytes`,
);
if (options.perturbed) perturbed();
