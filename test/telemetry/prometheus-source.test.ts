/** A Prometheus server watched by a real organism: a past week, then live, through failures and restarts. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { TestOrganism } from "../app/organism.ts";
import { FakePrometheus, send } from "./fake-prometheus.ts";

const STEP_MS = 1_000;
const BACKFILL_MS = 6 * 3_600_000;

let organism: TestOrganism;
let prometheus: FakePrometheus;
let url: string;
beforeAll(async () => {
  const jumpAt = Date.now() / 1_000 - 3_600;
  const noise = (seconds: number) => seededRandom(seconds).next();
  prometheus = new FakePrometheus({
    "sum(rate(http_errors_total[5m])) by (job)": [
      { labels: { job: "web" }, value: (s) => String(5 + noise(s) + (s > jumpAt && s < jumpAt + 120 ? 80 : 0)) },
      { labels: { job: "api" }, value: (s) => (s % 60 < 10 ? "NaN" : String(1 + noise(s))) },
    ],
  });
  url = await prometheus.listen();
  organism = await TestOrganism.create();
  organism.environment.SEEDCORE_SECRET_PROM = "Bearer s3cret";
  await organism.up();
});
afterAll(async () => {
  await organism.destroy();
  await prometheus.close();
});

interface Source {
  readonly name: string;
  readonly state: string;
  readonly points: number;
  readonly error: string | null;
  readonly backfillRatio: number | null;
}
const shop = async () =>
  (JSON.parse((await organism.run("sources", "--json")).stdout) as { sources: Source[] }).sources.find(
    ({ name }) => name === "shop",
  );
async function timesOf(series: string): Promise<number[]> {
  const input = { source: "shop", series, limit: 100_000 };
  const { stdout } = await organism.run("call", "ml.points", JSON.stringify(input), "--json");
  return (JSON.parse(stdout) as { points: [number, number, number][] }).points.map(([time]) => time);
}

it("fills the past, names series by labels, opens incidents, and sends its secret without storing it", async () => {
  const query = "errors=sum(rate(http_errors_total[5m])) by (job)";
  const args = ["watch", "prometheus", url, "--name", "shop", "--query", query, "--backfill", "6h", "--step", "1s"];
  const { code, stdout, stderr } = await organism.run(...args, "--secret", "PROM", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect((JSON.parse(stdout) as { sources: Source[] }).sources).toMatchObject([
    { name: "shop", backfillRatio: 1, state: "running" },
  ]);
  const web = await timesOf('errors{job="web"}');
  expect(web.length).toBeGreaterThanOrEqual(BACKFILL_MS / STEP_MS);
  expect(web.every((time, i) => i === 0 || time - (web[i - 1] ?? 0) === STEP_MS)).toBe(true);
  const api = await timesOf('errors{job="api"}');
  expect(api.length).toBeLessThan(web.length * 0.9);
  expect(prometheus.asked.every(({ authorization }) => authorization === "Bearer s3cret")).toBe(true);
  expect((await organism.run("sources", "--json")).stdout).not.toContain("s3cret");
  const { incidents } = JSON.parse(stdout) as { incidents: { series: string[] }[] };
  expect(incidents.flatMap(({ series }) => series)).toContain('shop/errors{job="web"}');
});

it("shows a failing server with its reason, and catches up without a gap when it is back", async () => {
  prometheus.misbehave = (response) => send(response, 503, "down for maintenance");
  await expect.poll(async () => (await shop())?.error, { timeout: 20_000 }).toMatch(/503.*down for maintenance/);
  expect((await shop())?.state).toBe("failing");
  const before = (await timesOf('errors{job="web"}')).at(-1) ?? 0;
  prometheus.misbehave = undefined;
  await expect.poll(async () => (await shop())?.state, { timeout: 60_000 }).toBe("running");
  const web = await timesOf('errors{job="web"}');
  expect(web.at(-1)).toBeGreaterThan(before);
  expect(web.every((time, i) => i === 0 || time - (web[i - 1] ?? 0) === STEP_MS)).toBe(true);
});

it("goes on where it was after the supervisor was killed and started again: every step once", async () => {
  process.kill(organism.runFile().pid, "SIGKILL");
  await expect.poll(() => organism.members(), { timeout: 10_000 }).toEqual([]);
  await organism.up();
  const before = (await timesOf('errors{job="web"}')).length;
  await expect
    .poll(async () => (await timesOf('errors{job="web"}')).length, { timeout: 20_000 })
    .toBeGreaterThan(before + 2);
  const web = await timesOf('errors{job="web"}');
  expect(web.every((time, i) => i === 0 || time - (web[i - 1] ?? 0) === STEP_MS)).toBe(true);
});

it("says at once what is wrong with an address, a secret or a server", async () => {
  const watch = async (...args: string[]) => organism.run("watch", "prometheus", ...args, "--query", "up=up");
  const cases = [
    { given: [url, "--secret", "NONE"], says: "SEEDCORE_SECRET_NONE" },
    { given: ["http://10.0.0.1:9090"], says: "private network" },
    { given: ["http://127.0.0.1:1"], says: "ECONNREFUSED" },
  ];
  for (const { given, says } of cases) {
    const { stdout, stderr } = await watch(...given);
    expect(`${stdout}${stderr}`).toContain(says);
  }
  expect((await organism.run("sources", "remove", "prometheus")).code).toBe(0);
});
