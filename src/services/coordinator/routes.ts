/** Where task types go, as the organism says, remembered for a few seconds: a submission asks it every time. */
import type { organism } from "#contracts/organism.ts";
import type { Clock } from "#core/clock.ts";
import type { OutputOf } from "#core/contract.ts";
import type { Client } from "#runtime/client/client.ts";

export type Route = OutputOf<(typeof organism)["procedures"]["resolveRoute"]>;

export interface Routes {
  /** @throws ServiceError UNKNOWN_TASK_TYPE, or why the organism could not be asked. */
  resolve(type: string, domain: string | undefined): Promise<Route>;
}

const KEPT_MS = 5_000;
const MAX_KEPT = 1_000;

export function createRoutes(client: Pick<Client<typeof organism>, "resolveRoute">, clock: Clock): Routes {
  const kept = new Map<string, { readonly route: Route; readonly untilMs: number }>();
  return {
    async resolve(type, domain) {
      const key = JSON.stringify([type, domain]);
      const known = kept.get(key);
      if (known !== undefined && clock.monotonic() < known.untilMs) return known.route;
      // Asked by each caller within its own call, and so in its own place: callers that waited for a shared question
      // could hold all the places that the question needs.
      const route = await client.resolveRoute({ type, ...(domain === undefined ? {} : { domain }) });
      if (kept.size >= MAX_KEPT) kept.clear();
      kept.set(key, { route, untilMs: clock.monotonic() + KEPT_MS });
      return route;
    },
  };
}
