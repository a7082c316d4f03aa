/**
 * `npm run soak -- [--rounds 500] [--seed N] [--from ROUND] [--keep]`: kills the real organism again and again and
 * compares what it holds with what it acknowledged. A round follows from seed and number, so `--from` goes on in the same
 * sequence with a fresh organism. Ends at the first round with something wrong and keeps its files.
 */
import { inspect, parseArgs } from "node:util";
import { CrashRun, type RoundResult } from "./crash/crash-run.ts";
import { describeRound, summarise } from "./crash/report.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "500" },
    seed: { type: "string", default: process.env["SEEDCORE_CRASH_SEED"] ?? String(Date.now() % 1_000_000_007) },
    from: { type: "string", default: "0" },
    keep: { type: "boolean", default: false },
  },
});
const [rounds, seed, from] = [values.rounds, values.seed, values.from].map(Number) as [number, number, number];
const isInteractive = process.stdout.isTTY;

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interrupted.abort());

console.log(`seed ${seed}, rounds ${from} to ${from + rounds - 1}`);
const run = await CrashRun.start(seed);
const results: RoundResult[] = [];
let wrong: readonly string[] = [];
try {
  for (let number = from; number < from + rounds && wrong.length === 0 && !interrupted.signal.aborted; number++) {
    const result = await run.round(number);
    results.push(result);
    wrong = result.wrong;
    const share = `${Math.floor(((number - from + 1) / rounds) * 100)} %`.padStart(5);
    process.stdout.write(
      `${isInteractive ? "\r\x1b[K" : ""}${share} ${describeRound(result)}${isInteractive ? "" : "\n"}`,
    );
  }
  if (isInteractive) process.stdout.write("\n");
  if (wrong.length === 0) wrong = await run.compareEverything();
} catch (error) {
  wrong = [...wrong, `the run itself failed: ${inspect(error)}`];
} finally {
  await run.close({ keepFiles: values.keep || wrong.length > 0 });
}
console.log(`\n${summarise(results)}\n`);
for (const sentence of wrong.slice(0, 50)) console.log(`WRONG: ${sentence}`);
if (wrong.length > 0) {
  const last = from + Math.max(0, results.length - 1);
  console.log(`${wrong.length} wrong in round ${last}. Files: ${run.directory}`);
  console.log(
    `Again: npm run soak -- --seed ${seed} --from ${last} --rounds 1, or from the start with --rounds ${last - from + 1}`,
  );
  process.exitCode = 1;
} else console.log("Everything acknowledged is there exactly once, and nothing else.");
