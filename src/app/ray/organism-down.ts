/** Takes an organism off a Ray cluster. */
import { systemClock } from "#core/clock.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { findRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import { takeDown } from "#runtime/engine/ray/take-down.ts";
import type { Home } from "../home.ts";
import { openCluster } from "./cluster.ts";
import type { RaySettings } from "./ray-settings.ts";
import { keyName } from "./shared-key.ts";
import { holdUpLock } from "./up-lock.ts";

export interface RayStopOptions {
  readonly home: Home;
  readonly settings: RaySettings;
  readonly acceptAnyVersion: boolean;
}

export interface RayStopped {
  readonly applications: readonly string[];
  readonly tookMs: number;
}

/** Undefined when nothing of the namespace was there. Its applications and registry go, and nothing else. */
export async function stopOnRay({ home, settings, acceptAnyVersion }: RayStopOptions): Promise<RayStopped | undefined> {
  const began = performance.now();
  const { namespace } = home;
  await using cluster = await openCluster(settings, { namespace, clock: systemClock, acceptAnyVersion });
  const actor = await findRegistryActor(cluster.ray, namespace);
  if (actor === undefined) {
    // A registry that died with its head may have left applications behind.
    const serve = createServe({ rest: cluster.rest, namespace, clock: systemClock, lock: (task) => task() });
    const applications = await takeDown({ serve, registry: undefined, clock: systemClock });
    if (applications.length === 0) return undefined;
    await cluster.store.delete(keyName(namespace));
    return { applications, tookMs: performance.now() - began };
  }
  const registry = createRegistry(toRegistryCall(actor));
  const unlock = await holdUpLock(registry, namespace);
  try {
    const lock = createRegistryLock(registry, systemClock);
    const serve = createServe({ rest: cluster.rest, namespace, clock: systemClock, lock });
    const applications = await takeDown({ serve, registry, clock: systemClock });
    await registry.forget();
    await cluster.store.delete(keyName(namespace));
    return { applications, tookMs: performance.now() - began };
  } finally {
    await unlock();
    await actor.kill();
  }
}
