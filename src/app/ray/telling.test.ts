import { expect, test } from "vitest";
import type { ClusterStatus, EngineStatus } from "#runtime/engine/engine.ts";
import type { DepositPatch } from "#runtime/engine/ray/registry.ts";
import { createTelling } from "./telling.ts";

const spec = { name: "ml" } as EngineStatus["hosts"][number]["spec"];
const hosts = (...generations: number[]): EngineStatus["hosts"] =>
  generations.map((generation) => ({ spec, generation, replicas: [], rollout: undefined }));

/** A host that leads at first, and what it has told. */
function openHost() {
  const told: DepositPatch["engine"][] = [];
  const host = {
    told,
    leads: true,
    hosts: hosts(1),
    registryError: undefined as Error | undefined,
    cluster: async (applications: ClusterStatus["applications"]): Promise<ClusterStatus> => ({
      nodes: [],
      actors: [],
      applications,
    }),
  };
  const applications = [{ name: "dev.ml@1.1", state: "RUNNING", route: "/ml" }];
  const engine = { status: (): EngineStatus => ({ kind: "ray", hosts: host.hosts }), applications: () => applications };
  const telling = createTelling({
    registry: {
      async deposit(patch) {
        if (host.registryError !== undefined) throw host.registryError;
        told.push(patch.engine);
      },
    },
    engine: () => (host.leads ? engine : undefined),
    readCluster: (seen) => host.cluster(seen),
  });
  return { host, telling, applications };
}

// Every telling wakes every shim of the cluster and is written to Ray's key-value store.
test("what has not changed is told once", async () => {
  const { host, telling } = openHost();
  await telling.tell();
  await telling.tell();
  host.hosts = hosts(2);
  await telling.tell();
  expect(host.told.map((status) => status?.hosts[0]?.generation)).toEqual([1, 2]);
});

// Hosts would keep an old status until the next change, which may never come.
test("what the registry did not take is told again", async () => {
  const { host, telling } = openHost();
  host.registryError = new Error("the registry is being started again");
  await expect(telling.tell()).rejects.toThrow("started again");
  host.registryError = undefined;
  await telling.tell();
  expect(host.told).toHaveLength(1);
});

// Two hosts that tell would overwrite each other; and what another told meanwhile is not what this one told last.
test("who does not lead tells nothing, and tells all when it leads again", async () => {
  const { host, telling } = openHost();
  await telling.tell();
  host.leads = false;
  host.cluster = () => Promise.reject(new Error("it was looked at all the same"));
  await telling.lookAtCluster();
  await telling.tell();
  expect(host.told).toHaveLength(1);
  host.leads = true;
  await telling.tell();
  expect(host.told).toHaveLength(2);
});

test("the cluster is told once it was looked at, and as it was when it cannot be looked at again", async () => {
  const { host, telling, applications } = openHost();
  await telling.tell();
  await telling.lookAtCluster();
  await telling.tell();
  expect(host.told.map((status) => status?.cluster?.applications)).toEqual([undefined, applications]);
  host.cluster = () => Promise.reject(new Error("the head is away"));
  await expect(telling.lookAtCluster()).rejects.toThrow("away");
  host.hosts = hosts(2);
  await telling.tell();
  expect(host.told.at(-1)?.cluster?.applications).toEqual(applications);
});
