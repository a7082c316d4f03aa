/** The registry's detached actor, made and called over a session of Ray's client protocol. */
import { isServiceError } from "#core/service-error.ts";
import type { ActorHandle } from "../../ray/client/actor-handle.ts";
import type { Ray } from "../../ray/ray.ts";
import type { CallRegistry } from "./registry.ts";

export const REGISTRY_NAME = "seedcore-registry";

/** Long polls of every replica and client wait inside at once. */
const MAX_CONCURRENCY = 10_000;
/** What Ray itself marks its head by. */
const HEAD_RESOURCE = "node:__internal_head__";

/** @param ray with a package in its `working_dir` that has `seedcore_ray.py` */
export async function createRegistryActor(ray: Ray, namespace: string): Promise<ActorHandle> {
  const head = (await ray.nodes()).find(({ alive, resources }) => alive && HEAD_RESOURCE in resources);
  const registry = ray.actor("seedcore_ray:Registry", {
    name: REGISTRY_NAME,
    namespace,
    lifetime: "detached",
    getIfExists: true,
    // However often it is killed: nothing starts again without it, and its memory comes back with the next heartbeats.
    maxRestarts: -1,
    maxConcurrency: MAX_CONCURRENCY,
    numCpus: 0,
    // It needs the head as it is; with another node it would go, and come again when Ray had seen that after 15 to 20 s.
    // Ray puts an actor that needs nothing anywhere, whatever it is told.
    ...(head === undefined ? {} : { schedulingStrategy: { nodeId: head.id }, memoryBytes: 1 }),
  });
  return registry.create([namespace]);
}

/** Undefined where the organism has none: it is not up. */
export async function findRegistryActor(ray: Ray, namespace: string): Promise<ActorHandle | undefined> {
  try {
    return await ray.getActor(REGISTRY_NAME, { namespace });
  } catch (error) {
    if (isServiceError(error) && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

export function toRegistryCall(actor: ActorHandle): CallRegistry {
  return async (method, args, options) => {
    const answer = await actor.call(method, [], { ...options, kwargs: args });
    return typeof answer === "string" ? answer : "";
  };
}
