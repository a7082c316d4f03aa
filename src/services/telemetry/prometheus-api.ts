/** Prometheus's query API, as far as series over a range need it. */
import { Agent, request } from "undici";
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import { checkOutgoingUrl, guardedLookup } from "#runtime/outgoing-address.ts";

/** What the server refuses to exceed, per series and query. */
export const MAX_STEPS = 11_000;

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

export interface RangeQuery {
  readonly query: string;
  /** First and last step, both included. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

export interface RangeSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Finite values only: NaN and infinities are gaps. */
  readonly points: readonly (readonly [number, number])[];
}

/** Asks one server. Rejects with a ServiceError whose message says what the server answered, or that it did not. */
export type QueryRange = (query: RangeQuery, signal: AbortSignal) => Promise<readonly RangeSeries[]>;

export interface PrometheusServer {
  readonly queryRange: QueryRange;
  close(): Promise<void>;
}

export interface PrometheusOptions {
  readonly url: string;
  readonly allowPrivate: boolean;
  /** Value of the Authorization header. */
  readonly authorization?: string | undefined;
  /** @default 30000 */
  readonly timeoutMs?: number;
}

const Answer = z.discriminatedUnion("status", [
  z.object({
    status: z.literal("success"),
    data: z.object({
      resultType: z.string(),
      result: z.array(
        z.object({
          metric: z.record(z.string(), z.string()).default({}),
          values: z.array(z.tuple([z.number(), z.string()])).default([]),
        }),
      ),
    }),
  }),
  z.object({ status: z.literal("error"), errorType: z.string().default("error"), error: z.string().default("") }),
]);

/** @throws ServiceError for a URL that is not HTTP(S) or an address that is not allowed */
export function connectPrometheus(options: PrometheusOptions): PrometheusServer {
  const base = checkOutgoingUrl(options.url, options.allowPrivate);
  const url = `${base.origin}${base.pathname.replace(/\/$/, "")}/api/v1/query_range`;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const agent = new Agent({
    connections: 4,
    maxResponseSize: MAX_ANSWER_BYTES,
    ...(options.allowPrivate ? {} : { connect: { lookup: guardedLookup } }),
  });

  const ask = async (query: RangeQuery, signal: AbortSignal): Promise<{ status: number; text: string }> => {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      // POST: a query may be longer than a URL; every server of the family takes both.
      const answer = await request(url, {
        method: "POST",
        dispatcher: agent,
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          accept: "application/json",
          ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
        },
        body: new URLSearchParams({
          query: query.query,
          start: (query.startMs / 1_000).toFixed(3),
          end: (query.endMs / 1_000).toFixed(3),
          step: (query.stepMs / 1_000).toString(),
        }).toString(),
        signal: AbortSignal.any([signal, timeout]),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      if (signal.aborted || error instanceof ServiceError) throw error;
      const why = timeout.aborted
        ? `did not answer within ${timeoutMs / 1_000} s`
        : `could not be asked: ${say(error)}`;
      throw new ServiceError("UNAVAILABLE", `${base.origin} ${why}.`, { cause: error });
    }
  };

  return {
    async queryRange(query, signal) {
      const { status, text } = await ask(query, signal);
      const answer = parse(text);
      if (answer?.status === "success") return toSeries(answer.data, base.origin);
      const said = answer === undefined ? text.trim().slice(0, 200) : `${answer.errorType}: ${answer.error}`;
      if (status === 200 && answer === undefined) {
        throw new ServiceError(
          "UNAVAILABLE",
          `${base.origin} answered with something that is not the query API's JSON (${text.length} characters, perhaps cut off): ${said}`,
        );
      }
      throw new ServiceError("UNAVAILABLE", `${base.origin} answered ${status} to the query ${query.query}: ${said}`);
    },
    close: () => agent.destroy(),
  };
}

function parse(text: string): z.output<typeof Answer> | undefined {
  try {
    return Answer.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function toSeries(data: { resultType: string; result: readonly RawSeries[] }, server: string): RangeSeries[] {
  if (data.resultType !== "matrix") {
    throw new ServiceError("UNAVAILABLE", `${server} answered a range query with a ${data.resultType}, not a matrix.`);
  }
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    points: values.flatMap(([seconds, text]) => {
      const value = Number(text);
      return Number.isFinite(value) ? [[Math.round(seconds * 1_000), value] as const] : [];
    }),
  }));
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

function say(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return code === undefined || error.message.includes(code) ? error.message : `${error.message} ${code}`.trim();
}
