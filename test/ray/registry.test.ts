/** What the registries of several organisms on one real cluster share. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, inject, it, vi } from "vitest";
import { systemClock } from "#core/clock.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryActor, REGISTRY_NAME, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { listState, STATE } from "#runtime/ray/rest/state.ts";
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

// On another node it died with it, and came again when Ray had seen that after 15 to 20 s: until then the lists had its dead hosts.
it("is on the head, so that no other node takes it along", async () => {
  const made = await Promise.all([1, 2, 3, 4].map((n) => registryOf(`on-head-${n}`)));
  try {
    await Promise.all(made.map(({ registry }) => registry.status()));
    const { rows: nodes } = await listState(rest, STATE.nodes);
    const head = nodes.find(({ is_head_node: isHead, state }) => isHead && state === "ALIVE");
    const filters = [
      { key: "name", is: "=", value: REGISTRY_NAME },
      { key: "state", is: "=", value: "ALIVE" },
    ] as const;
    const { rows } = await listState(rest, STATE.actors, { filters });
    const own = rows.filter(({ ray_namespace: namespace }) => namespace?.startsWith("on-head-"));
    expect(own.map(({ node_id: node }) => node)).toEqual(made.map(() => head?.node_id));
  } finally {
    await Promise.allSettled(made.map(({ actor }) => actor.kill()));
  }
});
