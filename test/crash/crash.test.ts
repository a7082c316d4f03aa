/**
 * What is acknowledged survives kill -9 of any process, exactly once. `npm run soak` does the same for longer.
 * SEEDCORE_CRASH_SEED replays a run, SEEDCORE_CRASH_ROUNDS changes its length.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CrashRun, type RoundResult } from "./crash-run.ts";
import { describeRound, summarise } from "./report.ts";

const SEED = Number(process.env["SEEDCORE_CRASH_SEED"] ?? Date.now() % 1_000_000_007);
const ROUNDS = Number(process.env["SEEDCORE_CRASH_ROUNDS"] ?? 50);
const ROUND_WITHIN_MS = 20_000;

describe.skipIf(process.platform !== "linux")("an organism whose processes are killed (needs Linux's /proc)", () => {
  let run: CrashRun;
  const results: RoundResult[] = [];
  const wrong: string[] = [];

  beforeAll(async () => {
    console.log(`crash test: SEEDCORE_CRASH_SEED=${SEED}, ${ROUNDS} rounds`);
    run = await CrashRun.start(SEED);
  });

  afterAll(async () => {
    console.log(summarise(results));
    if (wrong.length > 0) console.log(`The organism's files are kept in ${run.directory}.`);
    await run.close({ keepFiles: wrong.length > 0 });
  });

  it(
    `loses, doubles and invents nothing in ${ROUNDS} rounds of seed ${SEED}`,
    async () => {
      for (let round = 0; round < ROUNDS && wrong.length === 0; round++) {
        const result = await run.round(round);
        results.push(result);
        wrong.push(...result.wrong);
        if (wrong.length > 0) console.log(describeRound(result));
      }
      if (wrong.length === 0) wrong.push(...(await run.compareEverything()));
      expect(wrong).toEqual([]);
    },
    60_000 + ROUNDS * ROUND_WITHIN_MS,
  );
});
