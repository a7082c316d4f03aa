/** Scores as files in the layout of the Numenta Anomaly Benchmark's results, so that its scorer reads them. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ScoredFile, ScoredSeries } from "./score-file.ts";

export const DETECTOR = "seedcore";

/**
 * `<out>/<detector>/<group>/<detector>_<file>.csv` with `timestamp,value,anomaly_score`, one line per point; of a file
 * with several series one file each, `<detector>_<file>_<series>.csv`. Returns the paths.
 * @throws Error when one cannot be written; the signal's reason when it aborts
 */
export async function writeScores(out: string, scored: ScoredFile, signal: AbortSignal): Promise<string[]> {
  const folder = join(out, DETECTOR, scored.group);
  await makeFolder(folder);
  const paths: string[] = [];
  for (const series of scored.series) {
    const path = join(folder, fileName(scored, series));
    signal.throwIfAborted();
    await writeFile(path, toCsv(series));
    paths.push(path);
  }
  return paths;
}

/** Not mkdir's own way to make parents: that tries for ever where the parent is there and takes nothing, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  const made = () => mkdir(path).catch((error: NodeJS.ErrnoException) => error);
  let failure = await made();
  if (failure?.code === "ENOENT" && dirname(path) !== path) {
    await makeFolder(dirname(path));
    failure = await made();
  }
  // A file of that name is told when the scores are written into it.
  if (failure !== undefined && failure.code !== "EEXIST") throw failure;
}

/** Where the scores of one series go, below the folder of its group. */
function fileName({ name, series }: ScoredFile, { name: seriesName }: ScoredSeries): string {
  const suffix = series.length === 1 ? "" : `_${seriesName.replace(/[^\w.-]+/g, "_")}`;
  return `${DETECTOR}_${name}${suffix}.csv`;
}

function toCsv({ timeTexts, values, scores }: ScoredSeries): string {
  const lines = ["timestamp,value,anomaly_score"];
  for (const [i, time] of timeTexts.entries()) {
    lines.push(`${time.includes(",") ? `"${time}"` : time},${values[i]},${scores[i]}`);
  }
  return `${lines.join("\n")}\n`;
}
