/** Every failed call of the writers, and whether a kill excuses it. */
import { isErrorCode } from "#core/error-codes.ts";
import type { Result } from "#core/result.ts";
import { toServiceError } from "#core/service-error.ts";

export interface FailedCall {
  readonly service: string;
  readonly call: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly code: string;
  readonly message: string;
}

export interface Outage {
  readonly killedAtMs: number;
  /** End of the first call that began after the kill and succeeded. */
  readonly recoveredAtMs: number;
}

export class CallLog {
  readonly failed: FailedCall[] = [];
  succeeded = 0;

  async attempt<T>(service: string, call: string, work: () => Promise<T>): Promise<Result<T, FailedCall>> {
    const startedAtMs = performance.now();
    try {
      const value = await work();
      this.succeeded++;
      return { ok: true, value };
    } catch (thrown) {
      const { code, message } = toServiceError(thrown);
      const error = { service, call, startedAtMs, endedAtMs: performance.now(), code, message };
      this.failed.push(error);
      return { ok: false, error };
    }
  }
}

/** Whether the failure may be one of a killed process, so that a caller goes on. */
export function mayPass({ code }: FailedCall): boolean {
  return isErrorCode(code) && OF_A_CRASH.has(code);
}

/** Passing failures: what a caller may see of a process that was killed. */
const OF_A_CRASH: ReadonlySet<string> = new Set([
  "CONNECTION_LOST",
  "UNAVAILABLE",
  "NOT_READY",
  "NOT_OWNER",
  "DRAINING",
  "DEADLINE",
  "EXPIRED",
  "KEY_IN_PROGRESS",
  "OUTCOME_UNKNOWN",
]);

/** Failures that no kill of this round explains: of a service that was not hit, outside its outage, or of a wrong kind. */
export function unexcused(failed: readonly FailedCall[], outages: ReadonlyMap<string, Outage>): string[] {
  return failed.flatMap((failure) => {
    const { service, call, code, message, startedAtMs, endedAtMs } = failure;
    const what = `${service}.${call} failed with ${code} (${message})`;
    const outage = outages.get(service);
    if (outage === undefined) return [`${what}, though nothing that serves it was killed`];
    if (endedAtMs < outage.killedAtMs) return [`${what} before anything was killed`];
    if (startedAtMs > outage.recoveredAtMs) {
      return [`${what} ${Math.round(startedAtMs - outage.recoveredAtMs)} ms after the service was back`];
    }
    return mayPass(failure) ? [] : [`${what}, which is no failure of a crash`];
  });
}
