/** Counts the calls that a host's services make, by the service called: as the caller sees them, repeats included in one. */
import type { Clock } from "#core/clock.ts";
import { toServiceError } from "#core/service-error.ts";
import { currentCall } from "../call.ts";
import type { Policy } from "../policy/policy.ts";
import { CallContext } from "./call-context.ts";
import type { ServiceLoad } from "./load.ts";

export interface Outbound {
  /** Cumulative since the start of the process. */
  readonly services: Readonly<Record<string, Readonly<ServiceLoad>>>;
  readonly policy: Policy;
}

/** Services counted one by one; calls of more are not counted. */
const MAX_SERVICES = 200;

export function createOutbound(clock: Clock): Outbound {
  const services: Record<string, ServiceLoad> = {};

  function loadOf(name: string): ServiceLoad | undefined {
    if (Object.hasOwn(services, name)) return services[name];
    if (Object.keys(services).length >= MAX_SERVICES) return undefined;
    const load = { requests: 0, errors: 0, latencySumMs: 0, waitedSumMs: 0 };
    services[name] = load;
    return load;
  }

  return {
    services,
    async policy(call, next) {
      const startedMs = clock.monotonic();
      const within = currentCall();
      const caller = within instanceof CallContext ? within : undefined;
      caller?.waits(1);
      let isError = false;
      try {
        return await next(call);
      } catch (error) {
        // What the caller did wrong, and what it gave up itself, says nothing of the service called.
        const { status, code } = toServiceError(error);
        isError = status >= 500 && code !== "CANCELLED";
        throw error;
      } finally {
        caller?.waits(-1);
        const load = loadOf(call.contract.name);
        if (load !== undefined) {
          load.requests++;
          if (isError) load.errors++;
          load.latencySumMs += clock.monotonic() - startedMs;
        }
      }
    },
  };
}
