/** The valve against its goals: realised run length and delay over many runs, and updates per second. Run: `node bench/valve.ts [runs]`. */
import { seededRandom } from "#core/random.ts";
import { createValve, type ValveSpec } from "#services/ml/valve.ts";
import { calibrateValve } from "#services/ml/valve-calibration.ts";

const runs = Number(process.argv[2] ?? 10_000);

const settings: { name: string; spec: ValveSpec; targetArl0: number }[] = [
  {
    name: "N(.1,.15)->N(.3,.15) in [0,1]",
    spec: { mean: 0.1, shiftedMean: 0.3, sd: 0.15, clip: [0, 1] },
    targetArl0: 1e4,
  },
  { name: "unit Gaussian, shift 1", spec: { mean: 0, shiftedMean: 1, sd: 1 }, targetArl0: 1e4 },
  { name: "unit Gaussian in [-1,1]", spec: { mean: 0, shiftedMean: 1, sd: 1, clip: [-1, 1] }, targetArl0: 1e3 },
  { name: "unit Gaussian in [-.5,.5]", spec: { mean: 0, shiftedMean: 1, sd: 1, clip: [-0.5, 0.5] }, targetArl0: 1e3 },
  {
    name: "N(.5,.3)->N(.8,.3) in [0,1]",
    spec: { mean: 0.5, shiftedMean: 0.8, sd: 0.3, clip: [0, 1] },
    targetArl0: 1e3,
  },
];

console.log(`${runs} runs each; one standard error of ARL0 is about ${(100 / Math.sqrt(runs)).toFixed(1)} %`);
console.table(
  settings.map(({ name, spec, targetArl0 }) => {
    const startedAt = performance.now();
    const { threshold, arl0, expectedDelay } = calibrateValve({ ...spec, targetArl0 });
    const calibrationMs = performance.now() - startedAt;
    const realisedArl0 = simulate({ ...spec, threshold }, spec.mean, runs);
    const realisedDelay = simulate({ ...spec, threshold }, spec.shiftedMean, runs);
    return {
      setting: name,
      threshold: threshold.toFixed(3),
      arl0: arl0.toFixed(0),
      realisedArl0: realisedArl0.toFixed(0),
      arl0ErrorPercent: (100 * (realisedArl0 / arl0 - 1)).toFixed(1),
      expectedDelay: expectedDelay.toFixed(2),
      realisedDelay: realisedDelay.toFixed(2),
      calibrationMs: calibrationMs.toFixed(0),
    };
  }),
);
console.log(`updates per second, median of 7 rounds: ${(updatesPerSecond() / 1e6).toFixed(1)} M`);

/** Mean observations to a crossing. Radius and angle come from two streams: one 32-bit generator skips some pairs. */
function simulate(spec: ValveSpec & { threshold: number }, mean: number, count: number): number {
  const radii = seededRandom(20_261);
  const angles = seededRandom(154_172);
  const valve = createValve(spec);
  let observations = 0;
  for (let run = 0; run < count; ) {
    const radius = spec.sd * Math.sqrt(-2 * Math.log(1 - radii.next()));
    const angle = 2 * Math.PI * angles.next();
    for (const unit of [Math.cos(angle), Math.sin(angle)]) {
      observations++;
      if (valve.update(mean + radius * unit).crossed) run++;
    }
  }
  return observations / count;
}

function updatesPerSecond(): number {
  const random = seededRandom(1);
  const observations = Float64Array.from({ length: 65_536 }, () => random.next());
  const valve = createValve({ mean: 0.1, shiftedMean: 0.3, sd: 0.15, clip: [0, 1], threshold: 7.55 });
  let crossings = 0;
  const rounds = Array.from({ length: 7 }, () => {
    const passes = 150;
    const startedAt = performance.now();
    for (let pass = 0; pass < passes; pass++) {
      for (let i = 0; i < observations.length; i++) if (valve.update(observations[i]!).crossed) crossings++;
    }
    return (passes * observations.length * 1_000) / (performance.now() - startedAt);
  });
  if (crossings === 0) throw new Error("the valve never crossed: the loop was not measured");
  return rounds.sort((a, b) => a - b)[3]!;
}
