/** A closed-loop load generator: so many callers, each sending its next request when the last was answered. */
import { type Dispatcher, Pool } from "undici";

export interface LoadOptions {
  readonly address: string;
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Callers, each with its own connection. @default 16 */
  readonly callers?: number;
  readonly durationMs: number;
}

export interface LoadResult {
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** @throws Error at the first answer whose status is not 200. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const { address, path, method = "GET", headers = {}, body, callers = 16, durationMs } = options;
  const pool = new Pool(address, { connections: callers, pipelining: 1 });
  const request = { path, method, headers: { ...headers }, body: body ?? null } as Dispatcher.DispatchOptions;
  const latenciesMs: number[] = [];
  const startedAtMs = performance.now();
  const endAtMs = startedAtMs + durationMs;

  const caller = () =>
    new Promise<void>((resolve, reject) => {
      let sentAtMs = 0;
      let status = 0;
      const send = () => {
        sentAtMs = performance.now();
        pool.dispatch(request, handler);
      };
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart: (_controller, received) => {
          status = received;
        },
        onResponseData() {},
        onResponseEnd() {
          const nowMs = performance.now();
          latenciesMs.push(nowMs - sentAtMs);
          if (status !== 200) reject(new Error(`${method} ${address}${path} answered ${status}.`));
          else if (nowMs < endAtMs) send();
          else resolve();
        },
        onResponseError: (_controller, error) => reject(error),
      };
      send();
    });

  await Promise.all(Array.from({ length: callers }, caller));
  const tookS = (performance.now() - startedAtMs) / 1_000;
  await pool.close();
  latenciesMs.sort((a, b) => a - b);
  const quantile = (ratio: number) => latenciesMs[Math.floor(latenciesMs.length * ratio)] ?? Number.NaN;
  return {
    calls: latenciesMs.length,
    callsPerSecond: latenciesMs.length / tookS,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
