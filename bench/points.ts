/**
 * Points through a real organism: rate of `seedcore watch` to the disk, bytes a point there, and how long a pushed point
 * takes to its incident. Usage: node bench/points.ts [folder with NAB's data]
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { connectTo } from "./connected.ts";
import { TestOrganism } from "../test/app/organism.ts";
import { loadNab } from "../src/testing/nab.ts";
import { nabFolder } from "./nab-folder.ts";
import { quantile } from "./quantile.ts";

const folder = process.argv[2] ?? nabFolder();
const ROUNDS = 7;
const PUSHES = 41;

const rates: number[] = [];
const bytes: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const organism = await TestOrganism.create();
  try {
    await organism.up();
    const files = readdirSync(join(folder, "data"), { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".csv"),
    );
    const startedAtMs = performance.now();
    const { code, stdout, stderr } = await organism.run(
      "watch",
      ...files.map((name) => join(folder, "data", name)),
      "--json",
    );
    const elapsedMs = performance.now() - startedAtMs;
    if (code !== 0) throw new Error(`watch ended with ${code}: ${stderr}`);
    const { connection, ml } = await connectTo(organism);
    const { sources } = await ml.sources({});
    const points = sources
      .filter(({ source }) => source !== "host" && source !== "services")
      .reduce((sum, one) => sum + one.points, 0);
    await connection.close();
    if (!stdout.includes("accepted")) throw new Error(`watch said nothing of what it did: ${stdout}`);
    await organism.run("down");
    rates.push(points / (elapsedMs / 1_000));
    const data = join(organism.directory, "data");
    const size = readdirSync(data)
      .filter((name) => name.startsWith("points.db"))
      .reduce((sum, name) => sum + statSync(join(data, name)).size, 0);
    bytes.push(size / points);
    console.log(
      `round ${round + 1}: ${points} points of ${files.length} files in ${(elapsedMs / 1_000).toFixed(2)} s, ${(size / points).toFixed(2)} bytes a point`,
    );
  } finally {
    await organism.destroy();
  }
}
console.log(
  `watch -> ml -> disk: ${Math.round(quantile(rates, 0.5))} points/s (median of ${ROUNDS} rounds, the command's start included; goal 20000)`,
);
console.log(
  `on disk: ${quantile(bytes, 0.5).toFixed(2)} bytes a point, score, checkpoints and indices included (goal 10)`,
);

const organism = await TestOrganism.create();
try {
  await organism.up();
  const { connection, ml, coordinator } = await connectTo(organism);
  const normal = loadNab(folder).find(({ name }) => name.includes("nyc_taxi"))?.values ?? new Float64Array();
  const stop = new AbortController();
  let arrived = (_at: number) => {};
  const events = (async () => {
    for await (const _incident of coordinator.watchIncidents({}, { signal: stop.signal })) arrived(performance.now());
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 300));
  const delays: number[] = [];
  for (let push = 0; push < PUSHES; push++) {
    const baseMs = Date.now() - (PUSHES - push) * 86_400_000 * 2;
    const points: [number, number][] = Array.from({ length: 1_000 }, (_, i) => [
      baseMs + i * 60_000,
      normal[3_000 + i] ?? 0,
    ]);
    const source = `push-${push}`;
    await ml.ingest({ source, series: [{ name: "value", points }] });
    const shown = new Promise<number>((resolve) => (arrived = resolve));
    const startedAtMs = performance.now();
    await ml.ingest({ source, series: [{ name: "value", points: [[baseMs + 1_000 * 60_000, 1e7]] }] });
    const late = new Promise<number>((resolve) => setTimeout(() => resolve(Number.NaN), 2_000));
    delays.push((await Promise.race([shown, late])) - startedAtMs);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const seen = delays.filter((delay) => !Number.isNaN(delay));
  console.log(
    `push -> incident shown: p50 ${quantile(seen, 0.5).toFixed(1)} ms, p95 ${quantile(seen, 0.95).toFixed(1)} ms, ${seen.length} of ${delays.length} within 2 s (goal p50 50 ms)`,
  );
  stop.abort();
  await events;
  await connection.close();
} finally {
  await organism.destroy();
}
