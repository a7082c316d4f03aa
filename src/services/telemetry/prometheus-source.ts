/** A Prometheus server's series: a past range as fast as ml takes it, then each step a step behind the present. */
import { sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { SourceSpec } from "#contracts/telemetry.ts";
import { MAX_STEPS, type QueryRange, type RangeSeries } from "./prometheus-api.ts";
import type { Source, SourceBatch } from "./source.ts";

export type PrometheusSpec = Extract<SourceSpec, { kind: "prometheus" }>;

const MAX_SERIES = 1_000;
const MAX_NAME_LENGTH = 200;
/** Points in one call to ml: large enough to be fast, small enough for its body limit and its deadline. */
const DELIVERED_POINTS = 20_000;
/** Points in one answer of the server: what a backfill holds in memory. */
const QUERIED_POINTS = 200_000;
const QUERIES_AT_ONCE = 4;

interface NamedSeries {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

/**
 * Its cursor is the time of the next step to ask for, in milliseconds. Queries of one range are asked together and
 * delivered together, so that the cursor speaks for all of them.
 */
export function prometheusSource(spec: PrometheusSpec, queryRange: QueryRange): Source {
  const { stepMs } = spec;
  const onGrid = (timeMs: number) => Math.floor(timeMs / stepMs) * stepMs;

  return async ({ clock, signal, cursor, deliver, backfilled }) => {
    const stored = Number((await cursor()) ?? Number.NaN);
    const beginMs = onGrid(clock.now()) - stepMs;
    let nextMs = Number.isFinite(stored) ? onGrid(stored + stepMs - 1) : onGrid(beginMs - spec.backfillMs);
    const firstMs = nextMs;
    const isBackfill = beginMs - firstMs > 10 * stepMs;
    let stepsPerQuery = Math.min(MAX_STEPS, 1_000);

    while (!signal.aborted) {
      // The newest step may still change while the server scrapes: stay one behind.
      const lastMs = onGrid(clock.now()) - stepMs;
      if (nextMs > lastMs) {
        await sleep(clock, nextMs + stepMs - clock.now(), signal).catch(() => {});
        continue;
      }
      const endMs = Math.min(lastMs, nextMs + (stepsPerQuery - 1) * stepMs);
      const series = await querySeries(spec, queryRange, nextMs, endMs, signal);
      for (const { batch, nextMs: reachedMs } of slices(series, nextMs, endMs, stepMs)) {
        await deliver(batch, String(reachedMs));
        nextMs = reachedMs;
        if (isBackfill) backfilled(Math.min(1, (nextMs - firstMs) / Math.max(stepMs, beginMs + stepMs - firstMs)));
      }
      stepsPerQuery = Math.min(MAX_STEPS, Math.max(1, Math.floor(QUERIED_POINTS / Math.max(1, series.length))));
    }
  };
}

async function querySeries(
  spec: PrometheusSpec,
  queryRange: QueryRange,
  startMs: number,
  endMs: number,
  signal: AbortSignal,
): Promise<NamedSeries[]> {
  const found: NamedSeries[] = [];
  for (let i = 0; i < spec.queries.length; i += QUERIES_AT_ONCE) {
    const answers = await Promise.all(
      spec.queries.slice(i, i + QUERIES_AT_ONCE).map(async ({ name, query }) => {
        const series = await queryRange({ query, startMs, endMs, stepMs: spec.stepMs }, signal);
        return series.map((one) => ({ name: seriesName(name, one), points: one.points }));
      }),
    );
    found.push(...answers.flat());
    if (found.length > MAX_SERIES) {
      throw new ServiceError(
        "INVALID_INPUT",
        `The queries gave ${found.length} series; at most ${MAX_SERIES} are watched by one source. Aggregate them, for example with sum by (job) (…), or split them into several sources.`,
      );
    }
  }
  return found;
}

/** `<query>{label="value",…}` with sorted labels; without labels the query's name alone. */
function seriesName(query: string, { labels }: RangeSeries): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const inside = sorted.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(",");
  const name = (inside === "" ? query : `${query}{${inside}}`).replace(/\p{Cc}/gu, "�");
  if (name.length <= MAX_NAME_LENGTH) return name;
  throw new ServiceError(
    "INVALID_INPUT",
    `The query "${query}" gives a series whose name is ${name.length} characters long; at most ${MAX_NAME_LENGTH} are taken. Keep fewer labels, for example with sum by (job) (…). It is ${name.slice(0, 120)}…`,
  );
}

/** Cuts a range into consecutive spans of time, each with all series' points in it and the step that follows it. */
function* slices(
  series: readonly NamedSeries[],
  startMs: number,
  endMs: number,
  stepMs: number,
): Generator<{ batch: SourceBatch; nextMs: number }> {
  const steps = Math.max(1, Math.floor(DELIVERED_POINTS / Math.max(1, series.length)));
  const offsets = series.map(() => 0);
  for (let fromMs = startMs; fromMs <= endMs; fromMs += steps * stepMs) {
    const nextMs = Math.min(endMs + stepMs, fromMs + steps * stepMs);
    const batch = series.flatMap(({ name, points }, i) => {
      const begin = offsets[i] ?? 0;
      let end = begin;
      while (end < points.length && (points[end]?.[0] ?? Infinity) < nextMs) end++;
      offsets[i] = end;
      return end === begin
        ? []
        : [{ name, points: points.slice(begin, end).map(([t, v]): [number, number] => [t, v]) }];
    });
    yield { batch, nextMs };
  }
}
