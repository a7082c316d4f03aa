/** ml in a process of its own, killed by the kernel: would catch what forgetting in one process cannot, such as a file torn. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { readPoints } from "#services/ml/read-points.ts";
import { createSeriesScorer } from "#services/ml/series-scorer.ts";
import { mlStore } from "#services/ml/store.ts";
import { describeWithNab } from "#testing/describe-with-nab.ts";
import { NAB_FOLDER } from "#testing/nab-folder.ts";
import type { NabSeries } from "#testing/nab.ts";
import { type Kill, planKills } from "./kills.ts";

const KILLS = 31;
const SEED = 20_261_125;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "seedcore-killed-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Runs it until it ends or is killed. @returns the signal that ended it */
function score(file: string, kill: Kill | null): Promise<NodeJS.Signals | null> {
  const program = join(import.meta.dirname, "scoring-process.ts");
  const child = spawn(process.execPath, [program, file, NAB_FOLDER, JSON.stringify(kill)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === null || code === 0) resolve(signal);
      else
        reject(
          new Error(`The scoring process ended with ${code} where it should be killed at ${JSON.stringify(kill)}.`),
        );
    });
  });
}

function uninterrupted({ timestampsMs, values }: NabSeries): [number, number, number][] {
  const scorer = createSeriesScorer();
  return Array.from(values, (value, i) => {
    const timestampMs = timestampsMs[i] ?? 0;
    return [timestampMs, value, scorer.update(value, timestampMs).score];
  });
}

describeWithNab("killed -9", (series) => {
  it(`at ${KILLS} seeded points of all NAB files, also between score and checkpoint: the same to the bit`, async () => {
    const file = join(directory, "points.db");
    const kills = planKills(series, KILLS, SEED);
    expect(kills).toHaveLength(KILLS);
    expect(new Set(kills.map(({ source }) => source)).size).toBe(31);
    expect(new Set(kills.map(({ when }) => when)).size).toBe(3);
    for (const kill of kills) expect(await score(file, kill)).toBe("SIGKILL");
    expect(await score(file, null)).toBeNull();

    await using database = await opened(file);
    for (const one of series) {
      const source = `${one.group}/${one.name}`;
      const range = { source, series: "value", fromMs: 0, toMs: 1e15, limit: 100_000 };
      expect(await readPoints(mlStore(database.db), range), source).toEqual(uninterrupted(one));
    }
  }, 600_000);
});

async function opened(file: string) {
  const db = await openSqlite({ file });
  return { db, [Symbol.asyncDispose]: () => db.close() };
}
