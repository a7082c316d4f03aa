/** What the registries of several organisms on one real cluster share. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, inject, it, vi } from "vitest";
import { systemClock } from "#core/clock.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { endpointOf } from "./cluster/endpoint.ts";

const cluster = inject("ray");
const rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
const python = join(import.meta.dirname, "..", "..", "src", "runtime", "ray", "python", "seedcore_ray.py");
const { uri } = await uploadPackage(rest, [{ path: "seedcore_ray.py", content: await readFile(python) }]);
const ray = createRay(
  { endpoint: endpointOf(cluster), namespace: "locks", runtimeEnv: { working_dir: uri } },
  { clock: systemClock },
);
afterAll(async () => {
  await Promise.all([ray.close(), rest.close()]);
});

async function registryOf(namespace: string) {
  const actor = await createRegistryActor(ray, namespace);
  return { actor, registry: createRegistry(toRegistryCall(actor)) };
}

it("the lock of Serve is one for all of them, and goes with its holder's registry", async () => {
  const [one, two] = await Promise.all([registryOf("lock-one"), registryOf("lock-two")]);
  try {
    const acquire = ({ registry }: typeof one) => registry.acquire("serve", "me", 30_000);
    const hasTwo = async () => expect(await acquire(two)).toBe(true);
    const both = await Promise.all([acquire(one), acquire(two)]);
    expect(both.filter((acquired) => acquired)).toHaveLength(1);
    await Promise.all([one, two].map(({ registry }) => registry.release("serve", "me")));

    await vi.waitFor(async () => expect(await acquire(one)).toBe(true), { timeout: 10_000, interval: 200 });
    // Its worker has come by then: what is not there yet is not all that keeps the name.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(await acquire(two)).toBe(false);
    await one.registry.release("serve", "me");
    await vi.waitFor(hasTwo, { timeout: 10_000, interval: 200 });
    await two.registry.release("serve", "me");

    await vi.waitFor(async () => expect(await acquire(one)).toBe(true), { timeout: 10_000, interval: 200 });
    await one.actor.kill();
    await vi.waitFor(hasTwo, { timeout: 30_000, interval: 200 });
  } finally {
    await Promise.allSettled([one.actor.kill(), two.actor.kill()]);
  }
});
