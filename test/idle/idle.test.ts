/** An idle machine stays quiet: recordings of real hours, through the real sampler and scorer, give no incident. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { createHostSampler } from "#services/telemetry/host-sampler.ts";
import { createSeriesScorer, type SeriesScorer } from "#services/ml/series-scorer.ts";

function readLines<T>(file: string): T[] {
  const text = gunzipSync(readFileSync(join(import.meta.dirname, file))).toString("utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

interface Series {
  readonly source: string;
  readonly series: string;
  readonly minimumChange: number;
  readonly points: readonly (readonly [timestampMs: number, value: number])[];
}

test.each(["host.ndjson.gz", "services.ndjson.gz"])("%s, as the organism stored it", (file) => {
  const crossings: string[] = [];
  for (const { source, series, minimumChange, points } of readLines<Series>(file)) {
    const scorer = createSeriesScorer({ minimumChange });
    for (const [timestampMs, value] of points) {
      if (scorer.update(value, timestampMs).crossing) crossings.push(`${source}/${series} at ${timestampMs}: ${value}`);
    }
  }
  expect(crossings).toEqual([]);
});

interface ProcSample {
  readonly t: number;
  readonly stat: readonly number[];
  readonly mem: Readonly<Record<string, number>>;
  readonly load1: number;
}

test("host-proc.ndjson.gz, /proc as it was read each second", async () => {
  const samples = readLines<ProcSample>("host-proc.ndjson.gz");
  let now = samples[0];
  const sample = createHostSampler((path) => {
    if (path === "/proc/stat") return `cpu  ${now?.stat.join(" ")}\n`;
    if (path === "/proc/loadavg") return `${now?.load1} 0 0 1/1 1\n`;
    return Object.entries(now?.mem ?? {})
      .map(([name, kilobytes]) => `${name}: ${kilobytes} kB\n`)
      .join("");
  });
  const scorers = new Map<string, SeriesScorer>();
  const crossings: string[] = [];
  for (const reading of samples) {
    now = reading;
    for (const { series, value, minimumChange } of await sample()) {
      const scorer = scorers.get(series) ?? createSeriesScorer({ minimumChange });
      scorers.set(series, scorer);
      if (scorer.update(value, reading.t).crossing) crossings.push(`${series} at ${reading.t}: ${value}`);
    }
  }
  expect([...scorers.keys()].sort()).toEqual(["cpu", "load1", "memory"]);
  expect(crossings).toEqual([]);
});

test("quiet, not deaf: errors of a service that had none, or half of the memory gone, cross at once", () => {
  const crossesAfter = (file: string, name: string, step: number): number => {
    const found = readLines<Series>(file).find(({ series }) => series === name);
    const [lastMs, last] = found?.points.at(-1) ?? [0, 0];
    const scorer = createSeriesScorer({ minimumChange: found?.minimumChange ?? 0 });
    for (const [timestampMs, value] of found?.points ?? []) scorer.update(value, timestampMs);
    for (let second = 1; second <= 60; second++) {
      if (scorer.update(last + step, lastMs + second * 1_000).crossing) return second;
    }
    return Number.POSITIVE_INFINITY;
  };
  expect(crossesAfter("services.ndjson.gz", "ml/errors", 3)).toBe(1);
  expect(crossesAfter("host.ndjson.gz", "memory", 0.5)).toBeLessThanOrEqual(30);
});
