import { type Clock, sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Registry } from "./registry.ts";
import type { Serve } from "./serve.ts";

export interface TakeDownDeps {
  readonly serve: Serve;
  readonly registry: Pick<Registry, "deposit">;
  readonly clock: Clock;
}

const LOOK_MS = 300;
/** Serve's own patience with a replica that drains is the longest deadline of its calls; most need a second. */
const PATIENCE_MS = 330_000;

/**
 * Stops every application of an organism and waits until Serve has let go of the last.
 * @returns their names
 */
export async function takeDown({ serve, registry, clock }: TakeDownDeps): Promise<readonly string[]> {
  await registry.deposit({ down: true });
  const names = new Set<string>();
  const giveUpAtMs = clock.monotonic() + PATIENCE_MS;
  while (true) {
    const left = await serve.read();
    for (const { name } of left) names.add(name);
    if (left.length === 0) return [...names];
    // More than once where the organism's own engine was just starting something when it was told.
    if (left.some(({ status }) => status !== "DELETING")) await serve.change({ keep: new Map(), add: [] });
    if (clock.monotonic() > giveUpAtMs) {
      const still = left.map(({ name }) => name).join(", ");
      throw new ServiceError(
        "UNAVAILABLE",
        `After ${PATIENCE_MS / 1_000} s ${still} still stop; look at Ray's dashboard.`,
      );
    }
    await sleep(clock, LOOK_MS);
  }
}
