import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ScoredFile } from "./score-file.ts";
import { writeScores } from "./write-scores.ts";

const scored: ScoredFile = {
  path: "group/a.csv",
  group: "group",
  name: "a",
  report: { name: "a", rows: 1, accepted: 1, rejected: 0, examples: [], ignoredColumns: [] },
  late: 0,
  series: [{ name: "value", timeTexts: ["2026-01-01 00:00:00"], timestampsMs: [1], values: [2], scores: [0.5] }],
  noticed: [],
};
const { signal } = new AbortController();

it("makes the folders it needs, and takes those that are there", async () => {
  const out = await mkdtemp(join(tmpdir(), "seedcore-scores-"));
  try {
    for (let i = 0; i < 2; i++) {
      const [path = ""] = await writeScores(join(out, "not", "yet"), scored, signal);
      expect(await readFile(path, "utf8")).toBe("timestamp,value,anomaly_score\n2026-01-01 00:00:00,2,0.5\n");
    }
  } finally {
    await rm(out, { recursive: true });
  }
});

// Node's recursive mkdir never returns there, and cannot be interrupted.
it.runIf(process.platform === "linux")("says that nothing can be made below /proc", async () => {
  await expect(writeScores("/proc/seedcore", scored, signal)).rejects.toThrow(/ENOENT.*mkdir '\/proc\/seedcore/);
});
