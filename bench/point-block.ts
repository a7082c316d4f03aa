/**
 * Bytes a point and points a second of the block codec over the Numenta files. Run: `npm run bench -- point-block`.
 *
 * Bytes are whole blocks, headers and checksums included, divided by points; each file counts the same. Three kinds of scores:
 * none (all 0, which costs a few bytes a block), quiet (a point in fifty differs from 0, as with a calibrated detector) and noisy
 * (every point uniform on the grid, the worst case).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "#core/random.ts";
import { decodeBlock, encodeBlock, type PointColumns } from "#services/ml/point-block.ts";
import { nabFolder } from "./nab-folder.ts";

const folder = join(process.argv[2] ?? nabFolder(), "data");
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".csv"));
const random = seededRandom(1);
const series = files.map(readSeries);

console.table([256, 512, 1_024, 2_048].map(measure));
const [value, quiet, noisy] = [without, withQuiet, withNoisy].map((pick) =>
  series.map((one) => bytesPerPoint(pick(one), 512)),
);
console.log("block size 512, each file");
console.table(
  files.map((file, i) => ({
    file,
    value: value![i]!.toFixed(2),
    quiet: quiet![i]!.toFixed(2),
    noisy: noisy![i]!.toFixed(2),
  })),
);

interface Series {
  readonly timestampsMs: number[];
  readonly values: number[];
  readonly quiet: number[];
  readonly noisy: number[];
}

function readSeries(file: string): Series {
  const rows = readFileSync(join(folder, file), "utf8").trim().split("\n").slice(1);
  const timestampsMs: number[] = [];
  const values: number[] = [];
  for (const row of rows) {
    const [time, cell] = row.split(",");
    const timestampMs = Date.parse(`${time!.replace(" ", "T")}Z`);
    // Six files repeat hours when clocks go back; a block takes each time once.
    if (timestampMs <= (timestampsMs.at(-1) ?? Number.NEGATIVE_INFINITY)) continue;
    timestampsMs.push(timestampMs);
    values.push(Number(cell));
  }
  const score = () => Math.floor(1_001 * random.next()) / 1_000;
  return {
    timestampsMs,
    values,
    quiet: values.map(() => (random.next() < 0.02 ? score() : 0)),
    noisy: values.map(score),
  };
}

function without({ timestampsMs, values }: Series): PointColumns {
  return { timestampsMs, values, scores: values.map(() => 0) };
}

function withQuiet({ timestampsMs, values, quiet: scores }: Series): PointColumns {
  return { timestampsMs, values, scores };
}

function withNoisy({ timestampsMs, values, noisy: scores }: Series): PointColumns {
  return { timestampsMs, values, scores };
}

function measure(size: number) {
  const mean = (pick: (one: Series) => PointColumns) =>
    (series.reduce((sum, one) => sum + bytesPerPoint(pick(one), size), 0) / series.length).toFixed(2);
  const blocks = series.flatMap((one) => cut(withQuiet(one), size));
  const encoded = blocks.map(encodeBlock);
  return {
    blockSize: size,
    valueOnly: mean(without),
    quietScores: mean(withQuiet),
    noisyScores: mean(withNoisy),
    encodedPerSecond: pointsPerSecond(blocks, () => blocks.forEach(encodeBlock)),
    decodedPerSecond: pointsPerSecond(blocks, () => encoded.forEach(decodeBlock)),
  };
}

function bytesPerPoint(points: PointColumns, size: number): number {
  const bytes = cut(points, size).reduce((sum, block) => sum + encodeBlock(block).length, 0);
  return bytes / points.values.length;
}

function cut({ timestampsMs, values, scores }: PointColumns, size: number): PointColumns[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) => {
    const part = (column: ArrayLike<number>) => Array.from(column).slice(i * size, (i + 1) * size);
    return { timestampsMs: part(timestampsMs), values: part(values), scores: part(scores) };
  });
}

/** Median of seven rounds. */
function pointsPerSecond(blocks: readonly PointColumns[], round: () => void): string {
  const points = blocks.reduce((sum, { values }) => sum + values.length, 0);
  const rates = Array.from({ length: 7 }, () => {
    const startedAt = performance.now();
    round();
    return points / (performance.now() - startedAt) / 1_000;
  });
  return `${rates.sort((a, b) => a - b)[3]!.toFixed(2)} M`;
}
