/** Constant load: so many callers, each with a pause between its calls, and what became of every call. */
import diagnostics from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { isServiceError } from "#core/service-error.ts";

export interface LoadOptions {
  /** One call. */
  readonly call: () => Promise<unknown>;
  /** Tells its attempts from the other requests of this process. @default none is counted */
  readonly isAttempt?: (request: SentRequest) => boolean;
  /** @default 8 */
  readonly callers?: number;
  /** Between two calls of a caller. @default 20 */
  readonly pauseMs?: number;
}

/** As undici tells of it. */
export interface SentRequest {
  readonly origin: string | URL;
  readonly path: string;
}

export interface CallRecord {
  /** Of `performance.now()`. */
  readonly startedAtMs: number;
  readonly tookMs: number;
  /** Why it failed; undefined when it did not. */
  readonly failure: string | undefined;
}

export interface Load {
  readonly calls: readonly CallRecord[];
  /** Requests sent, repeats included; of all time, or between two times of `performance.now()`. */
  attempts(fromMs?: number, untilMs?: number): number;
  stop(): Promise<void>;
}

export function startLoad({ call, isAttempt = () => false, callers = 8, pauseMs = 20 }: LoadOptions): Load {
  const calls: CallRecord[] = [];
  const sentAtMs: number[] = [];
  let stopped = false;
  const onRequest = (message: unknown) => {
    if (isAttempt((message as { request: SentRequest }).request)) sentAtMs.push(performance.now());
  };
  diagnostics.subscribe("undici:request:create", onRequest);

  async function caller(): Promise<void> {
    while (!stopped) {
      const startedAtMs = performance.now();
      let failure: string | undefined;
      try {
        await call();
      } catch (error) {
        failure = isServiceError(error) ? `${error.code}: ${error.message}` : String(error);
      }
      calls.push({ startedAtMs, tookMs: performance.now() - startedAtMs, failure });
      await sleep(pauseMs);
    }
  }
  const running = Array.from({ length: callers }, caller);

  return {
    calls,
    attempts: (fromMs = 0, untilMs = Number.POSITIVE_INFINITY) =>
      sentAtMs.filter((atMs) => atMs >= fromMs && atMs < untilMs).length,
    async stop() {
      stopped = true;
      await Promise.all(running);
      diagnostics.unsubscribe("undici:request:create", onRequest);
    },
  };
}
