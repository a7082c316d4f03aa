/**
 * The page in a headless browser: what is sent, how soon it is painted, and how far it is behind. Live is from the moment
 * at which ml has acknowledged points until they are in the document: those of a new incident, and those of an open chart
 * whose source has five hundred series, each with a point a round.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { TestOrganism } from "../test/app/organism.ts";
import { CONTEXT, openBrowser } from "../test/page/browser.ts";
import { quantile } from "./quantile.ts";

const ROUNDS = 20;
/** Of the source whose chart is open, beside the one that it shows. */
const OTHERS = 499;

/** Evaluated in the page: milliseconds from its start, also when it has been already. */
const FIRST_PAINT = `new Promise((resolve) =>
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) if (name === "first-contentful-paint") resolve(startTime);
  }).observe({ type: "paint", buffered: true }))`;

const folder = join(import.meta.dirname, "..", "dist", "page");
const sizeOf = (extension: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(extension))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

const organism = await TestOrganism.create();
const browser = await openBrowser();
try {
  const { gatewayUrl } = await organism.up();
  const headers = { authorization: `Bearer ${organism.token()}`, "content-type": "application/json" };
  type Points = readonly (readonly [atMs: number, value: number])[];
  /** @param others series of the same source beside it, that stay in their routine */
  const push = async (source: string, name: string, points: Points, others = 0) => {
    const calm = points.map(([atMs]) => [atMs, 20]);
    const beside = Array.from({ length: others }, (_, i) => ({ name: `other${i}`, points: calm }));
    const body = JSON.stringify({ series: [...beside, { name, points, minimumChange: 5 }] });
    const answer = await fetch(`${gatewayUrl}/ml/sources/${source}/points`, { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`ml answered ${answer.status}: ${await answer.text()}`);
  };
  const page = await (await browser.newContext({ ...CONTEXT, viewport: { width: 1_600, height: 900 } })).newPage();
  const paints: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await page.goto("about:blank");
    await page.goto(`${gatewayUrl}/#token=${organism.token()}`);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    paints.push((await page.evaluate(FIRST_PAINT)) as number);
  }

  /** Five minutes of routine that end now. */
  const routine = (): Points => {
    const nowMs = Math.floor(Date.now() / 1_000) * 1_000;
    return Array.from({ length: 300 }, (_, i) => [nowMs - (300 - i) * 1_000, 20 + (i % 7) / 7]);
  };
  const incidents: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // A source of its own, and far from the others in time: else it joins the incident before.
    const points = routine().map(([atMs, value]) => [atMs - round * 86_400_000, value] as const);
    await push(`bench${round}`, "latency", points);
    const crossing = [(points.at(-1)?.[0] ?? 0) + 1_000, 93] as const;
    await push(`bench${round}`, "latency", [crossing]);
    const sentAtMs = performance.now();
    await page.getByText(`bench${round}/latency moved up`).first().waitFor();
    incidents.push(performance.now() - sentAtMs);
  }

  const charts: number[] = [];
  await push("chart", "value", routine(), OTHERS);
  await page.goto(`${gatewayUrl}/#/series/chart/value`);
  await page.getByRole("img", { name: /chart\/value: now 20/ }).waitFor();
  for (let round = 0; round < ROUNDS; round++) {
    const value = 100 + round;
    await push("chart", "value", [[Math.floor(Date.now() / 1_000) * 1_000 + round, value]], OTHERS);
    const sentAtMs = performance.now();
    await page.getByRole("img", { name: new RegExp(`chart/value: now ${value}\\b`) }).waitFor();
    charts.push(performance.now() - sentAtMs);
  }

  const told = (values: readonly number[]) =>
    `p50 ${quantile(values, 0.5).toFixed(0)} ms, p95 ${quantile(values, 0.95).toFixed(0)} ms`;
  const kib = (bytes: number) => (bytes / 1_024).toFixed(1);
  console.log(
    `sent                  ${kib(sizeOf(".br"))} KiB with brotli, ${kib(sizeOf(".gz"))} with gzip  (wanted <= 120)`,
  );
  console.log(`first paint           ${told(paints)}  (wanted <= 1000)`);
  console.log(`an incident is shown  ${told(incidents)} after its points were taken  (wanted <= 1000)`);
  console.log(`a chart has a point   ${told(charts)} after it was taken  (wanted <= 1000)`);
} finally {
  await browser.close();
  await organism.destroy();
}
