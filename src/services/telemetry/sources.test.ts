import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { ServiceError } from "#core/service-error.ts";
import { EMPTY_TOPOLOGY, type Replica } from "#runtime/topology.ts";
import { createFakeClock, type FakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { createHostSampler } from "./host-sampler.ts";
import type { RangeQuery, RangeSeries } from "./prometheus-api.ts";
import { type PrometheusSpec, prometheusSource } from "./prometheus-source.ts";
import { sampledSource, type Sampler } from "./sampled-source.ts";
import type { CallSample } from "./call-history.ts";
import { createServicesSampler, type LoadReport } from "./services-sampler.ts";
import type { Source, SourceBatch } from "./source.ts";
import { type RunnerDeps, runSource } from "./source-runner.ts";

/** ml as far as sources see it: points strictly forward per series, a cursor, and failures on demand. */
function fakeMl() {
  const stored = new Map<string, [number, number | null][]>();
  const calls: { series: SourceBatch; cursor: string }[] = [];
  const state = { down: false, hold: undefined as Promise<void> | undefined, cursor: null as string | null };
  const ingest = async (input: { series: SourceBatch; cursor?: string | undefined }) => {
    if (state.down) throw new ServiceError("UNAVAILABLE", "No replica of ml is ready.");
    await state.hold;
    let accepted = 0;
    let late = 0;
    for (const { name, points } of input.series) {
      const known = stored.get(name) ?? [];
      stored.set(name, known);
      for (const point of points) {
        if (point[0] <= (known.at(-1)?.[0] ?? -1)) late++;
        else {
          known.push([point[0], point[1]]);
          accepted++;
        }
      }
    }
    state.cursor = input.cursor ?? state.cursor;
    calls.push({ series: input.series, cursor: input.cursor ?? "" });
    return { accepted, late, rejected: 0, crossings: [] };
  };
  const source = async () => {
    if (state.down) throw new ServiceError("UNAVAILABLE", "No replica of ml is ready.");
    if (state.cursor === null)
      return { ok: false, error: { code: "UNKNOWN_SOURCE", message: "", data: { source: "" } } };
    const series = [...stored].map(([name, points]) => ({
      name,
      points: points.length,
      firstTimestampMs: points[0]?.[0] ?? 0,
      lastTimestampMs: points.at(-1)?.[0] ?? 0,
      lastValue: 0,
      lastScore: 0,
      late: 0,
    }));
    return { ok: true, value: { source: "s", cursor: state.cursor, series } };
  };
  const client = { ingest: Object.assign(ingest, { try: ingest }), source: Object.assign(source, { try: source }) };
  return { stored, calls, state, client: client as unknown as RunnerDeps["ml"] };
}

function start(source: Source, clock: FakeClock, ml = fakeMl()) {
  const log = createMemoryLogger();
  const deps: RunnerDeps = { clock, random: seededRandom(1), log, ml: ml.client };
  return { ml, log, runner: runSource({ name: "s", spec: { kind: "host", intervalMs: 1_000 } }, source, deps) };
}

const START = Date.UTC(2026, 0, 1);

describe("a sampled source", () => {
  const counting = (): Sampler => {
    let n = 0;
    return async () => [{ series: "n", value: n++, minimumChange: 0.5 }];
  };

  // A late timer or an odd start must not put samples between the seconds: rates and detectors count on the grid.
  it("samples on whole seconds and delivers each sample within three of them", async () => {
    const clock = createFakeClock(START + 300);
    const { ml, runner } = start(sampledSource(counting(), 1_000), clock);
    await clock.advance(8_000);
    expect(ml.stored.get("n")).toEqual([1, 2, 3, 4, 5, 6, 7].map((s, n) => [START + s * 1_000, n]));
    expect(ml.calls.map(({ series }) => series[0]?.points.length)).toEqual([1, 3, 3]);
    expect(ml.calls[0]?.series[0]?.minimumChange).toBe(0.5);
    expect(runner.status()).toMatchObject({ state: "running", points: 7, lastPointAtMs: START + 7_000, error: null });
    await runner.stop();
    expect(clock.pending).toBe(0);
  });

  // ml restarts: its samples of meanwhile must arrive, once and in order, and the trouble must show.
  it("keeps samples while ml is away and delivers them when it is back", async () => {
    const clock = createFakeClock(START);
    const ml = fakeMl();
    const { runner, log } = start(sampledSource(counting(), 1_000), clock, ml);
    await clock.advance(4_000);
    ml.state.down = true;
    await clock.advance(20_000);
    expect(runner.status()).toMatchObject({ state: "failing", error: expect.stringContaining("UNAVAILABLE") });
    expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1);
    ml.state.down = false;
    await clock.advance(4_000);
    expect(ml.stored.get("n")?.map(([, value]) => value)).toEqual(Array.from({ length: 28 }, (_, n) => n));
    expect(runner.status().state).toBe("running");
    await runner.stop();
  });

  it("goes on sampling while ml hangs, and sends nothing twice", async () => {
    const clock = createFakeClock(START);
    const ml = fakeMl();
    let release = () => {};
    ml.state.hold = new Promise((resolve) => (release = resolve));
    const { runner } = start(sampledSource(counting(), 1_000), clock, ml);
    await clock.advance(10_000);
    release();
    await clock.advance(2_000);
    expect(ml.calls.map(({ series }) => series[0]?.points.length)).toEqual([1, 10]);
    await runner.stop();
  });

  it("drops the oldest when ml is away for longer than it keeps", async () => {
    const clock = createFakeClock(START);
    const ml = fakeMl();
    ml.state.down = true;
    const { runner } = start(sampledSource(counting(), 1_000), clock, ml);
    await clock.advance(2_000_000);
    ml.state.down = false;
    await clock.advance(3_000);
    const values = ml.stored.get("n")?.map(([, value]) => value) ?? [];
    expect(values.length).toBeGreaterThan(895);
    expect(values.length).toBeLessThan(910);
    expect(values.at(-1)).toBeGreaterThan(1_999);
    await runner.stop();
  });

  // A sampler that throws once must not end the source for ever, nor lose what it holds.
  it("is run again after a failure of its sampler", async () => {
    const clock = createFakeClock(START);
    let looks = 0;
    const sampler: Sampler = async () => {
      looks++;
      if (looks === 4) throw new Error("no /proc today");
      return [{ series: "n", value: looks, minimumChange: 0 }];
    };
    const { ml, runner } = start(sampledSource(sampler, 1_000), clock);
    await clock.advance(4_100);
    expect(runner.status()).toMatchObject({ state: "failing", error: "no /proc today" });
    await clock.advance(6_000);
    expect(
      ml.stored
        .get("n")
        ?.map(([, value]) => value)
        .slice(0, 5),
    ).toEqual([1, 2, 3, 5, 6]);
    expect(runner.status().state).toBe("running");
    await runner.stop();
  });
});

describe("the host sampler", () => {
  const files =
    (cpu: string, available = 250) =>
    (path: string) =>
      ({
        "/proc/stat": `cpu  ${cpu}\ncpu0 1 2 3 4\n`,
        "/proc/meminfo": `MemTotal:       1000 kB\nMemFree: 10 kB\nMemAvailable:    ${available} kB\n`,
        "/proc/loadavg": "1.25 0.5 0.1 2/300 4242\n",
      })[path];

  it("gives the busy share between two looks, the memory in use and the load", async () => {
    let text = "100 0 100 700 100 0 0 0 50 0";
    const sample = createHostSampler((path) => files(text)(path));
    expect((await sample()).map(({ series, value }) => [series, value])).toEqual([
      ["memory", 0.75],
      ["load1", 1.25],
    ]);
    // 30 busy of 100: user and system; waiting for the disk is idle.
    text = "120 0 110 760 110 0 0 0 60 0";
    expect((await sample())[0]).toMatchObject({ series: "cpu", value: 0.3 });
  });

  it("measures by node:os where there is no /proc", async () => {
    const values = await createHostSampler(() => undefined)();
    for (const { value } of values) expect(Number.isFinite(value)).toBe(true);
    expect(values.map(({ series }) => series)).toEqual(["memory", "load1"]);
  });
});

describe("the services sampler", () => {
  const replica = (id: string, services: string[]): Replica => ({
    id,
    host: "h",
    version: "1",
    address: "http://127.0.0.1:1",
    services,
    weight: 1,
  });

  function world(...replicas: Replica[]) {
    const clock = createFakeClock(START);
    const reports = new Map<string, LoadReport | undefined>();
    const topology = { current: () => ({ ...EMPTY_TOPOLOGY, replicas }), watch: () => () => {} };
    const fetchLoad = async ({ id }: Replica) => {
      const report = reports.get(id);
      if (report === undefined) throw new Error("refused");
      return report;
    };
    const recorded: CallSample[] = [];
    const isOwn = () => false;
    const record = (one: CallSample) => void recorded.push(one);
    let memory: ReadonlyMap<string, number> = new Map();
    const keepMemory = (told: typeof memory) => void (memory = told);
    const sample = createServicesSampler({ clock, topology, fetchLoad, isOwn, record, keepMemory });
    return { clock, reports, replicas, recorded, sample, memory: () => Object.fromEntries(memory) };
  }
  const load = (requests: number, errors = 0, latencySumMs = 0): LoadReport => ({
    services: { ml: { requests, errors, latencySumMs, waitedSumMs: 0 } },
    outbound: {},
    residentBytes: 0,
  });
  const valuesOf = (samples: readonly { series: string; value: number }[]) =>
    Object.fromEntries(samples.map(({ series, value }) => [series, value]));

  it("sums the rates of a service's replicas, and has a latency only when there were calls", async () => {
    const { clock, reports, sample } = world(replica("a", ["ml"]), replica("b", ["ml"]));
    reports.set("a", load(1_000, 5, 9_000)).set("b", load(10));
    expect(await sample()).toEqual([]);
    await clock.advance(1_000);
    reports.set("a", load(1_010, 6, 9_100)).set("b", load(20, 0, 300));
    expect(valuesOf(await sample())).toEqual({ "ml/requests": 20, "ml/errors": 1, "ml/latency": 20 });
    await clock.advance(1_000);
    expect(valuesOf(await sample())).toEqual({ "ml/requests": 0, "ml/errors": 0 });
  });

  // A restarted replica begins at 0; a new one may begin anywhere when this process is the one that is new.
  it("takes reset counters and new replicas as no traffic, never as a burst or a negative rate", async () => {
    const { clock, reports, sample, replicas } = world(replica("a", ["ml"]));
    reports.set("a", load(1_000, 50, 5_000));
    await sample();
    await clock.advance(1_000);
    reports.set("a", load(3, 0, 1)).set("b", load(70_000));
    replicas.push(replica("b", ["ml"]));
    expect(valuesOf(await sample())).toEqual({ "ml/requests": 0, "ml/errors": 0 });
  });

  it("averages over the gap when a replica could not be asked", async () => {
    const { clock, reports, sample } = world(replica("a", ["ml"]));
    reports.set("a", load(0));
    await sample();
    reports.set("a", undefined);
    await clock.advance(1_000);
    expect(await sample()).toEqual([]);
    reports.set("a", load(40));
    await clock.advance(1_000);
    expect(valuesOf(await sample())).toMatchObject({ "ml/requests": 20 });
  });

  // `status` showed none on Ray, where no process can be looked at from outside.
  it("keeps how much memory each replica has, while it is one", async () => {
    const { reports, sample, replicas, memory } = world(replica("a", ["ml"]), replica("b", ["ml"]));
    reports.set("a", { ...load(0), residentBytes: 80e6 }).set("b", { ...load(0), residentBytes: 90e6 });
    await sample();
    expect(memory()).toEqual({ a: 80e6, b: 90e6 });
    reports.set("a", undefined);
    replicas.pop();
    await sample();
    expect(memory()).toEqual({ a: 80e6 });
  });

  it("counts a call at the replica that serves it, not again at the gateway that forwarded it", async () => {
    const { clock, reports, sample } = world(replica("g", ["gateway"]), replica("a", ["ml"]));
    reports.set("g", load(0)).set("a", load(0));
    await sample();
    await clock.advance(1_000);
    reports.set("g", load(5)).set("a", load(5));
    expect(valuesOf(await sample())).toEqual({ "ml/requests": 5, "ml/errors": 0, "ml/latency": 0 });
  });
});

// What a service of a person's own calls is how the cause of its trouble is told from its own.
it("records what own services call, and samples their memory", async () => {
  const clock = createFakeClock(START);
  const load = (count: number): LoadReport => ({
    services: { cart: { requests: count, errors: 0, latencySumMs: 30 * count, waitedSumMs: 20 * count } },
    outbound: { stock: { requests: 2 * count, errors: count, latencySumMs: 20 * count, waitedSumMs: 0 } },
    residentBytes: 80e6,
  });
  let report = load(10);
  const replicas = [
    { id: "c", host: "cart", version: "1", address: "http://127.0.0.1:1", services: ["cart"], weight: 1 },
  ];
  const recorded: CallSample[] = [];
  const sample = createServicesSampler({
    clock,
    topology: { current: () => ({ ...EMPTY_TOPOLOGY, replicas }), watch: () => () => {} },
    fetchLoad: async () => report,
    isOwn: () => true,
    record: (one) => void recorded.push(one),
    keepMemory: () => {},
  });
  await sample();
  await clock.advance(1_000);
  report = load(20);
  const samples = await sample();
  expect(Object.fromEntries(samples.map(({ series, value }) => [series, value]))).toEqual({
    "cart/requests": 10,
    "cart/errors": 0,
    "cart/latency": 30,
    "cart/memory": 80,
  });
  expect(recorded.at(-1)?.edges.get("cart")?.get("stock")).toMatchObject({
    requests: 20,
    errors: 10,
    latencySumMs: 200,
  });
  expect(recorded.at(-1)?.services.get("cart")?.waitedSumMs).toBe(200);
});

describe("a Prometheus source", () => {
  const STEP = 15_000;
  const spec = (changes: Partial<PrometheusSpec> = {}): PrometheusSpec => ({
    kind: "prometheus",
    url: "http://127.0.0.1:9090",
    queries: [{ name: "up", query: "up" }],
    stepMs: STEP,
    backfillMs: 0,
    allowPrivate: false,
    ...changes,
  });

  /** A server whose every step has the value of its number. */
  function server(labels: readonly Record<string, string>[] = [{}]) {
    const asked: RangeQuery[] = [];
    const state = { error: undefined as Error | undefined };
    const queryRange = async (query: RangeQuery): Promise<RangeSeries[]> => {
      if (state.error) throw state.error;
      asked.push(query);
      const points: [number, number][] = [];
      for (let t = query.startMs; t <= query.endMs; t += query.stepMs) points.push([t, t / query.stepMs]);
      return labels.map((set) => ({ labels: set, points }));
    };
    return { asked, state, queryRange };
  }

  it("fills a past range completely, says how far it is, then follows a step behind", async () => {
    const clock = createFakeClock(START + 4_000);
    const { asked, queryRange } = server();
    const days = 7;
    const source = prometheusSource(spec({ backfillMs: days * 86_400_000 }), queryRange);
    const { ml, runner } = start(source, clock);
    await clock.advance(0);
    const steps = (days * 86_400_000) / STEP;
    expect(ml.stored.get("up")).toHaveLength(steps + 1);
    expect(runner.status()).toMatchObject({ backfillRatio: 1, state: "running" });
    for (const { startMs, endMs } of asked) expect((endMs - startMs) / STEP + 1).toBeLessThanOrEqual(11_000);
    for (const { series } of ml.calls) expect(series[0]?.points.length).toBeLessThanOrEqual(20_000);
    await clock.advance(STEP * 3);
    const times = ml.stored.get("up")?.map(([time]) => time) ?? [];
    expect(times).toHaveLength(steps + 4);
    expect(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) === STEP)).toBe(true);
    await runner.stop();
    expect(clock.pending).toBe(0);
  });

  it("goes on from ml's cursor after a restart, without the range it has", async () => {
    const clock = createFakeClock(START);
    const ml = fakeMl();
    ml.state.cursor = String(START - 10 * STEP);
    const { asked, queryRange } = server();
    const { runner } = start(prometheusSource(spec({ backfillMs: 86_400_000 }), queryRange), clock, ml);
    await clock.advance(0);
    expect(asked[0]).toMatchObject({ startMs: START - 10 * STEP, endMs: START - STEP });
    await runner.stop();
  });

  // Answered by a proxy's error page, a timeout, half a JSON: the range must be asked again, not skipped.
  it("does not move its cursor while the server fails, says why, and backs off", async () => {
    const clock = createFakeClock(START);
    const prometheus = server();
    const { ml, runner, log } = start(prometheusSource(spec(), prometheus.queryRange), clock);
    await clock.advance(STEP);
    const before = ml.state.cursor;
    prometheus.state.error = new ServiceError("UNAVAILABLE", "http://127.0.0.1:9090 answered 503.");
    await clock.advance(5 * 60_000);
    expect(runner.status()).toMatchObject({ state: "failing", error: expect.stringContaining("answered 503") });
    expect(ml.state.cursor).toBe(before);
    expect(log.lines).toHaveLength(1);
    prometheus.state.error = undefined;
    await clock.advance(80_000);
    const times = ml.stored.get("up")?.map(([time]) => time) ?? [];
    expect(times.every((time, i) => i === 0 || time - (times[i - 1] ?? 0) === STEP)).toBe(true);
    expect(runner.status()).toMatchObject({ state: "running", error: null });
    await runner.stop();
  });

  it("names a series after its query and its sorted labels", async () => {
    const clock = createFakeClock(START);
    const { queryRange } = server([{ job: "web", code: '5"0' }, {}]);
    const { ml, runner } = start(prometheusSource(spec(), queryRange), clock);
    await clock.advance(0);
    expect([...ml.stored.keys()]).toEqual(['up{code="5\\"0",job="web"}', "up"]);
    await runner.stop();
  });

  it.each([
    ["too many series", Array.from({ length: 1_001 }, (_, i) => ({ i: `${i}` })), /1001 series; at most 1000.*sum by/],
    ["too long a name", [{ pod: "x".repeat(300) }], /at most 200.*Keep fewer labels/],
  ])("says what to do about %s", async (_what, labels, message) => {
    const clock = createFakeClock(START);
    const { ml, runner } = start(prometheusSource(spec(), server(labels).queryRange), clock);
    await clock.advance(0);
    expect(runner.status()).toMatchObject({ state: "failing", error: expect.stringMatching(message) });
    expect(ml.calls).toEqual([]);
    await runner.stop();
  });

  it("keeps many series in step: no delivery is larger than what ml takes", async () => {
    const clock = createFakeClock(START);
    const many = Array.from({ length: 400 }, (_, i) => ({ i: `${i}` }));
    const { ml, runner } = start(prometheusSource(spec({ backfillMs: 200 * STEP }), server(many).queryRange), clock);
    await clock.advance(0);
    for (const { series } of ml.calls) {
      expect(series.reduce((sum, { points }) => sum + points.length, 0)).toBeLessThanOrEqual(20_000);
    }
    expect([...ml.stored.values()].every((points) => points.length === 201)).toBe(true);
    await runner.stop();
  });
});
