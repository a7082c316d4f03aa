/** Sources that look at something each interval: samples are kept until ml has them, whatever ml does meanwhile. */
import { sleep } from "#core/clock.ts";
import type { Source, SourceBatch } from "./source.ts";
import { reasonOf } from "./source-runner.ts";

/** One value of one series. */
export interface Sample {
  readonly series: string;
  readonly value: number;
  /** Change that matters to a person, in the unit of the series. */
  readonly minimumChange: number;
  /** Whether it keeps what it takes. @default false */
  readonly accumulates?: boolean;
}

/** Looks once. The first look may give nothing: rates need two. */
export type Sampler = () => Promise<readonly Sample[]>;

interface Sampled {
  readonly atMs: number;
  readonly samples: readonly Sample[];
}

/** A sample is delivered at the latest this long after it was taken, when ml takes it. */
const DELIVER_EVERY_MS = 3_000;
/** While ml is away: a quarter of an hour at one sample a second. Older ones are dropped first. */
const KEPT_SAMPLES = 900;

export function sampledSource(sampler: Sampler, intervalMs: number): Source {
  const kept: Sampled[] = [];

  return async ({ clock, signal, cursor, deliver, failing }) => {
    // Only for the count that `status` shows; sampling does not wait for it.
    let known = false;
    let delivery: Promise<void> | undefined;
    let deliverAtMs = clock.monotonic();

    const deliverKept = async (): Promise<void> => {
      const sent = kept.splice(0);
      try {
        if (!known) await cursor();
        known = true;
        await deliver(toBatch(sent), String(sent.at(-1)?.atMs ?? 0));
      } catch (error) {
        kept.unshift(...sent);
        if (!signal.aborted) failing(reasonOf(error));
      } finally {
        delivery = undefined;
      }
    };

    while (!signal.aborted) {
      const atMs = await nextTick(clock, intervalMs, signal);
      if (atMs === undefined) break;
      const samples = await sampler();
      if (samples.length > 0) kept.push({ atMs, samples });
      if (kept.length > KEPT_SAMPLES) kept.splice(0, kept.length - KEPT_SAMPLES);
      // Half an interval of slack: a timer that is late must not put the delivery off by a whole interval.
      if (delivery === undefined && kept.length > 0 && clock.monotonic() >= deliverAtMs - intervalMs / 2) {
        deliverAtMs = clock.monotonic() + DELIVER_EVERY_MS;
        delivery = deliverKept();
      }
    }
    await delivery;
  };
}

/** Waits for the next whole interval of wall time and returns it; undefined when the signal aborted. */
async function nextTick(
  clock: Parameters<Source>[0]["clock"],
  intervalMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const nowMs = clock.now();
  const tickMs = (Math.floor(nowMs / intervalMs) + 1) * intervalMs;
  try {
    await sleep(clock, tickMs - nowMs, signal);
    return tickMs;
  } catch {
    return undefined;
  }
}

function toBatch(kept: readonly Sampled[]): SourceBatch {
  const bySeries = new Map<string, { points: [number, number][]; minimumChange: number; accumulates: boolean }>();
  for (const { atMs, samples } of kept) {
    for (const { series, value, minimumChange, accumulates = false } of samples) {
      let batch = bySeries.get(series);
      if (batch === undefined) bySeries.set(series, (batch = { points: [], minimumChange, accumulates }));
      batch.points.push([atMs, value]);
    }
  }
  return [...bySeries].map(([name, batch]) => ({ name, ...batch }));
}
