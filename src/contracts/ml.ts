/** ml: scores series as they arrive, tells what is not routine, and calibrates how often it may be wrong. */
import { z } from "zod";
import { defineContract, procedure } from "#core/contract.ts";

const Name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}]+$/u, "no control characters");

/** `[timestampMs, value]`; null stands for NaN or infinity, which JSON cannot carry: it is counted as rejected. */
export const Point = z.tuple([z.int().min(0).max(1e15), z.number().nullable()]);

export const SeriesPoints = z.object({
  name: Name,
  points: z.array(Point).max(50_000),
  /** Change of the value that matters to a person; smaller ones never cross. In the unit of the series. */
  minimumChange: z.number().nonnegative().optional(),
  /** Keeps what it takes, as memory, disks and queues do: that it leaves its range and stays out is noticed, however slowly. */
  accumulates: z.boolean().optional(),
});

/** Something in a series that is not routine, from the point where it began. */
export const Crossing = z.object({
  /** `<source>/<series>@<startedAtMs>`: the same crossing always has the same id. */
  id: z.string(),
  source: Name,
  series: Name,
  startedAtMs: z.int(),
  value: z.number(),
  /** The level before it, and the spread around that which was routine. */
  expected: z.number(),
  spread: z.number(),
  score: z.number(),
  direction: z.enum(["up", "down"]),
});
export type Crossing = z.output<typeof Crossing>;

/** A record that keeps every name: z.record() leaves out a series called `__proto__`. */
const ScoresBySeries = z
  .custom<Record<string, number[]>>(isScoresBySeries, "not lists of numbers by series")
  .meta({ type: "object", additionalProperties: { type: "array", items: { type: "number" } } });

function isScoresBySeries(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    (scores) => Array.isArray(scores) && scores.every((score) => typeof score === "number"),
  );
}

/** Points that were not scored, by reason. */
export const Ingested = z.object({
  accepted: z.int(),
  /** At or before the series' newest point: scored already, or too late to be. */
  late: z.int(),
  /** Not a finite number. */
  rejected: z.int(),
  crossings: z.array(Crossing),
  /** The scores of the accepted points by series, when asked for. */
  scores: ScoresBySeries.optional(),
});

export const SeriesInfo = z.object({
  name: z.string(),
  points: z.int(),
  firstTimestampMs: z.number(),
  lastTimestampMs: z.number(),
  lastValue: z.number(),
  lastScore: z.number(),
  /** Points that came too late; after a crash without those since the newest stored point. */
  late: z.int(),
});

export const SourceInfo = z.object({
  source: z.string(),
  /** What the sender stored with its newest points; null if nothing. */
  cursor: z.string().nullable(),
  series: z.array(SeriesInfo),
});

export const ValveSpec = z.object({
  /** Wanted mean number of samples between false alarms. */
  targetArl0: z.number().min(2).max(1e9),
  mean: z.number(),
  shiftedMean: z.number(),
  sd: z.number().positive(),
  /** Range that observations are cut to. */
  clip: z.tuple([z.number(), z.number()]).optional(),
});

export const ml = defineContract("ml", {
  summary: "Scores series as they arrive and tells what is not routine.",
  state: "sharded",
  procedures: {
    ingest: procedure({
      summary:
        "Takes points of a source's series, scores them in order, and stores both. Repeating it changes nothing.",
      method: "POST",
      path: "/sources/{source}/points",
      shardBy: "source",
      input: z.object({
        source: Name,
        series: z.array(SeriesPoints).max(10_000),
        /** Stored with the points, returned by `source`: where the sender goes on after a crash. */
        cursor: z.string().max(4_096).optional(),
        includeScores: z.boolean().default(false),
      }),
      output: Ingested,
      idempotent: true,
      deadlineMs: 15_000,
    }),
    source: procedure({
      summary: "What is known of one source: its cursor and its series.",
      method: "GET",
      path: "/sources/{source}",
      shardBy: "source",
      input: z.object({ source: Name }),
      output: SourceInfo,
      errors: { UNKNOWN_SOURCE: z.object({ source: z.string() }) },
    }),
    sources: procedure({
      summary: "The sources that have sent points.",
      method: "GET",
      path: "/sources",
      input: z.object({}),
      output: z.object({
        sources: z.array(
          z.object({ source: z.string(), series: z.int(), points: z.int(), lastTimestampMs: z.number() }),
        ),
      }),
    }),
    points: procedure({
      summary: "Points of one series with their scores, oldest first.",
      method: "GET",
      path: "/sources/{source}/series/{series}/points",
      shardBy: "source",
      input: z.object({
        source: Name,
        series: Name,
        fromMs: z.coerce.number().int().default(0),
        toMs: z.coerce.number().int().default(1e15),
        /** Newest `limit` points of the range. */
        limit: z.coerce.number().int().min(1).max(100_000).default(1_000),
      }),
      output: z.object({ points: z.array(z.tuple([z.number(), z.number(), z.number()])) }),
      errors: { UNKNOWN_SERIES: z.object({ source: z.string(), series: z.string() }) },
    }),
    live: procedure({
      summary: "Points of a source with their scores as they are scored.",
      method: "GET",
      path: "/sources/{source}/live",
      shardBy: "source",
      input: z.object({
        source: Name,
        /** Only of these; of all when left out. */
        series: z.array(Name).min(1).max(100).optional(),
      }),
      output: z.object({ series: z.string(), timestampMs: z.number(), value: z.number(), score: z.number() }),
      stream: true,
    }),
    detectAnomaly: procedure({
      summary: "Scores a whole series at once, as a stream of its points would have been; stores nothing.",
      method: "POST",
      path: "/detect/anomaly",
      scope: "read",
      idempotent: true,
      input: z.object({
        points: z.array(Point).min(1).max(200_000),
        minimumChange: z.number().nonnegative().optional(),
      }),
      output: z.object({
        /** One per point; null where the point was late or not finite. */
        scores: z.array(z.number().nullable()),
        crossings: z.array(Crossing.omit({ id: true, source: true, series: true })),
      }),
      deadlineMs: 30_000,
    }),
    calibrateValve: procedure({
      summary: "The threshold of a CUSUM valve for a wanted mean run length between false alarms.",
      method: "POST",
      path: "/valve/calibrate",
      scope: "read",
      idempotent: true,
      input: ValveSpec,
      output: z.object({ threshold: z.number(), arl0: z.number(), expectedDelay: z.number() }),
    }),
    applyValve: procedure({
      summary: "Runs a calibrated valve over values: its statistic and where it crossed.",
      method: "POST",
      path: "/valve/apply",
      scope: "read",
      idempotent: true,
      input: ValveSpec.extend({ values: z.array(z.number()).max(200_000) }),
      output: z.object({ threshold: z.number(), statistics: z.array(z.number()), crossedAt: z.array(z.int()) }),
    }),
    status: procedure({
      summary: "Series, points and crossings this replica has handled since it started.",
      method: "GET",
      path: "/status",
      input: z.object({}),
      output: z.object({
        shards: z.string(),
        series: z.int(),
        accepted: z.int(),
        late: z.int(),
        rejected: z.int(),
        crossings: z.int(),
      }),
    }),
  },
});
