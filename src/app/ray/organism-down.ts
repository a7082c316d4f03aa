/** Takes an organism off a Ray cluster. */
import { systemClock } from "#core/clock.ts";
import { fromApplicationName } from "#runtime/engine/ray/application-name.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryActor, findRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import { takeDown } from "#runtime/engine/ray/take-down.ts";
import type { ActorHandle } from "#runtime/ray/client/actor-handle.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { readServe } from "#runtime/ray/rest/serve-details.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { createPinoLogger } from "#runtime/telemetry/pino-logger.ts";
import type { Home } from "../home.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { readPackageFiles } from "./package-files.ts";
import type { RaySettings } from "./ray-settings.ts";
import { keyName, keyPrefix } from "./shared-key.ts";
import { holdUpLock } from "./up-lock.ts";

export interface RayStopOptions {
  readonly home: Home;
  readonly settings: RaySettings;
}

export interface RayStopped {
  readonly applications: readonly string[];
  readonly tookMs: number;
}

/** Undefined when nothing of the namespace was there. Its applications, registry and keys go, and nothing else. */
export async function stopOnRay({ home, settings }: RayStopOptions): Promise<RayStopped | undefined> {
  const began = performance.now();
  const { namespace } = home;
  const log = createPinoLogger({ fields: { host: "down" }, level: "warn", stream: process.stderr });
  await using cluster = await openCluster(settings, { namespace, clock: systemClock });
  const actor = (await findRegistryActor(cluster.ray, namespace)) ?? (await replaceRegistry(cluster, namespace));
  if (actor === undefined) return undefined;
  const unlock = await holdUpLock(createRegistry(toRegistryCall(actor)), namespace, log);
  try {
    return { applications: await takeOff(cluster, actor, namespace, log), tookMs: performance.now() - began };
  } finally {
    await unlock();
  }
}

/**
 * Takes off what `up` has put on the cluster, the registry last.
 * @returns the names of its applications
 */
export async function takeOff(
  cluster: Cluster,
  actor: ActorHandle,
  namespace: string,
  log: Logger,
): Promise<readonly string[]> {
  const registry = createRegistry(toRegistryCall(actor));
  const lock = createRegistryLock({ registry, clock: systemClock, log });
  const serve = createServe({ rest: cluster.rest, namespace, clock: systemClock, lock });
  try {
    const applications = await takeDown({ serve, registry, clock: systemClock });
    await registry.forget();
    await cluster.store.delete(keyName(namespace));
    return applications;
  } finally {
    await actor.kill();
  }
}

/**
 * A registry in the place of one that is gone, which may have left applications and keys behind: it has the locks that
 * taking them off needs. Undefined where nothing is left.
 */
async function replaceRegistry(cluster: Cluster, namespace: string): Promise<ActorHandle | undefined> {
  const { applications } = await readServe(cluster.rest);
  const isLeft = Object.keys(applications).some((name) => fromApplicationName(namespace, name) !== undefined);
  if (!isLeft && (await cluster.store.list(keyPrefix(namespace))).length === 0) return undefined;
  const { uri } = await uploadPackage(cluster.rest, await readPackageFiles());
  return createRegistryActor(await cluster.withPackage(uri), namespace);
}
