/**
 * From the point that crosses to the decision, as an outside program sees it, with 1,000 series and 1,000 past cases; wanted:
 * 100 ms at the median. And to the first diagnosis, which recalls the cases.
 */
import { seededRandom } from "#core/random.ts";
import { TestOrganism } from "../test/app/organism.ts";
import { connectTo } from "./connected.ts";
import { quantile } from "./quantile.ts";

const SERIES = 1_000;
const CASES = 1_000;
const POINTS = 300;
const PROBES = 60;
const AT_ONCE = 50;
const WANTED_MS = 100;
/** Between two probes in the time of the data: far enough to be two incidents. */
const APART_MS = 3 * 3_600_000;

const random = seededRandom(5);
const organism = await TestOrganism.create();
try {
  await organism.up();
  const { connection, ml, coordinator } = await connectTo(organism);
  await using _connection = connection;
  const state = connection.getServiceClient("state");
  for (let i = 0; i < CASES; i += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, k) =>
        state.putCase({
          id: `past_${i + k}`,
          signature: Array.from({ length: 5 }, () => `bench/s${Math.floor(SERIES * random.next() ** 2)}:up`),
          cause: { service: "s", kind: "latency" },
          action: { skill: "restart-host", target: "s" },
          helped: true,
        }),
      ),
    );
  }
  const beginMs = Math.floor(Date.now() / 1_000) * 1_000 - (PROBES + 1) * APART_MS;
  for (let i = 0; i < SERIES; i += AT_ONCE) {
    const series = Array.from({ length: AT_ONCE }, (_, k) => ({
      name: `s${i + k}`,
      minimumChange: 5,
      points: Array.from({ length: POINTS }, (_p, p): [number, number] => [beginMs + p * 1_000, 20 + random.next()]),
    }));
    await ml.ingest({ source: "bench", series });
  }

  const seen = new Map<string, { decidedMs?: number; thoughtMs?: number }>();
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { series, decision, cause } of coordinator.watchIncidents({}, { signal: stop.signal })) {
      const [name = ""] = series;
      const times = seen.get(name) ?? {};
      if (decision !== null) times.decidedMs ??= performance.now();
      if (cause !== null) times.thoughtMs ??= performance.now();
      seen.set(name, times);
    }
  })().catch(() => {});
  const decided: number[] = [];
  const thought: number[] = [];
  for (let i = 0; i < PROBES; i++) {
    const name = `s${i * 16}`;
    const atMs = beginMs + (i + 1) * APART_MS;
    const beganMs = performance.now();
    await ml.ingest({ source: "bench", series: [{ name, points: [[atMs, 93]] }] });
    const isDone = () => seen.get(`bench/${name}`)?.thoughtMs !== undefined;
    while (!isDone() && performance.now() - beganMs < 10_000) await new Promise((resolve) => setTimeout(resolve, 1));
    const { decidedMs = NaN, thoughtMs = NaN } = seen.get(`bench/${name}`) ?? {};
    decided.push(decidedMs - beganMs);
    thought.push(thoughtMs - beganMs);
  }
  stop.abort();
  await watching;
  const line = (what: string, all: readonly number[], wanted = "") =>
    console.log(
      `${what.padEnd(30)}${quantile(all, 0.5).toFixed(1)} ms p50, ${quantile(all, 0.95).toFixed(1)} ms p95${wanted}`,
    );
  line("point sent to decision seen", decided, `   (wanted ≤ ${WANTED_MS})`);
  line("point sent to diagnosis seen", thought);
} finally {
  await organism.destroy();
}
