/** What the engine of a Ray cluster does to Serve's applications, by what Serve and the registry say. */
import { describe, expect, it } from "vitest";
import type { Clock } from "#core/clock.ts";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { createRayEngine } from "#runtime/engine/ray/ray-engine.ts";
import type { Lease, Registry, RegistryStatus } from "#runtime/engine/ray/registry.ts";
import { createServe, type Serve, type ServedApplication } from "#runtime/engine/ray/serve.ts";
import { nextRollout, percentOf, returned } from "#runtime/engine/rollout.ts";
import type { ApplicationConfig } from "#runtime/ray/rest/serve-details.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeServe } from "#testing/fake-serve.ts";
import { createMemoryDesiredState } from "./memory-desired-state.ts";

/** Serve and the registry of one organism, in memory; each application has one replica, ready once it has a lease. */
function createCluster() {
  const applications = new Map<string, ServedApplication>();
  let leases: Lease[] = [];
  let topology: RegistryStatus["topology"] = { version: 0, epoch: "first", state: "settling", replicas: [] };
  let epochs = 0;
  const dropped = new Set<string>();
  const kept: string[] = [];

  const settle = () => {
    topology = {
      ...topology,
      version: topology.version + 1,
      state: "settled",
      replicas: leases.map(({ replica }) => ({ ...replica, address: replica.address ?? "", services: [], weight: 1 })),
    };
  };
  const serve: Serve = {
    read: async () => [...applications.values()],
    async change({ keep, add }) {
      for (const [name, application] of applications) {
        const route = keep.get(name);
        if (route === undefined) applications.delete(name);
        else applications.set(name, { ...application, config: { ...application.config, route_prefix: route } });
      }
      for (const config of add) {
        const { name } = config;
        const replicas = [{ id: `of ${name}`, state: "RUNNING" }];
        const rest = { status: "RUNNING", message: "", deployedAtMs: 0, targetReplicas: 1, replicas };
        applications.set(name, { name, config, ...rest });
      }
    },
    async scale(name, targetReplicas) {
      const application = applications.get(name);
      if (application !== undefined) applications.set(name, { ...application, targetReplicas });
    },
    async keep(uri) {
      kept.push(uri);
      return !dropped.has(uri);
    },
  };
  const status = (): RegistryStatus => ({ isDown: false, topology, leases, hosts: {} });
  const registry: Registry = {
    listen: (_seen, waitMs, signal) => (waitMs === 0 ? Promise.resolve(topology) : untilAborted(signal)),
    status: async () => status(),
    deposit: async () => {},
    listenDesired: (_seen, _waitMs, signal) => untilAborted(signal),
    acquire: async () => true,
    release: async () => {},
    forget: async () => {},
  };
  return {
    serve,
    registry,
    /** Packages that Ray has dropped. */
    dropped,
    /** Packages that were asked for, and so kept. */
    kept,
    replicasOf: (name: string) => applications.get(name)?.targetReplicas,
    /** Routes of the applications there are. */
    routes: () => Object.fromEntries([...applications].map(([name, { config }]) => [name, config.route_prefix])),
    becomeReady(application: string) {
      const replica = { id: `ml of ${application}`, host: "ml", version: "1", address: "http://10.0.0.1:1" };
      leases = [
        ...leases,
        {
          replica,
          pid: 1,
          node: { id: "n", ip: "10.0.0.1" },
          serve: { app: application, replica: `of ${application}` },
          state: { kind: "ready", sinceMs: 0 },
        },
      ];
      settle();
    },
    /** A new process with empty memory; the leases come with the next heartbeats. */
    restartRegistry() {
      leases = [];
      topology = { version: 0, epoch: `again ${++epochs}`, state: "settling", replicas: [] };
    },
  };
}

/** The same with Serve behind its REST, of which each list that it is given counts: Serve makes it true at once. */
function createListedCluster() {
  const cluster = createCluster();
  const clock = createFakeClock();
  const fake = createFakeServe();
  fake.afterPut = () => {
    for (const { name, deployments } of fake.applications.values()) {
      for (const one of Object.values(deployments)) one.replicas = [{ replica_id: `of ${name}`, state: "RUNNING" }];
    }
  };
  const rest = createRayRest({ url: "http://head:8265", token: () => undefined, clock, exchange: fake.exchange });
  const serve = createServe({ rest, namespace: "dev", clock, lock: (task) => task() });
  const routesOf = (put: Record<string, unknown>) =>
    Object.fromEntries((put["applications"] as ApplicationConfig[]).map((one) => [one.name, one.route_prefix]));
  return {
    clock,
    /** As `up` finds it: nothing is there yet. */
    cluster: { ...cluster, serve },
    desired: createMemoryDesiredState(),
    /** Application and route, of each list that was PUT. */
    lists: () => fake.puts.map(routesOf),
  };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });

async function createEngine(
  cluster: Pick<ReturnType<typeof createCluster>, "serve" | "registry">,
  clock: Clock = createFakeClock(),
  desired = createMemoryDesiredState(),
) {
  return createRayEngine({
    clock,
    log: silentLogger,
    namespace: "dev",
    defaultNamespace: "dev",
    serve: cluster.serve,
    registry: cluster.registry,
    desired,
    mintToken: async () => "token",
  });
}

const ml = { name: "ml", services: ["ml"] };

// A registry that is killed while a deploy is half done knows nobody: the old version, which serves, looked as if it did
// not, was stopped at once, and Serve's route went to the new one, which did not serve yet.
it("stops and moves nothing while the registry waits for the leases", async () => {
  const cluster = createCluster();
  const engine = await createEngine(cluster);
  await engine.deploy(ml);
  cluster.becomeReady("dev.ml@1.1");
  await engine.deploy({ ...ml, env: { COLOR: "blue" } });
  const halfDone = { "dev.ml@1.1": "/ml", "dev.ml@1.2": null };
  expect(cluster.routes()).toEqual(halfDone);

  cluster.restartRegistry();
  await engine.scale("ml", 1);
  expect(cluster.routes()).toEqual(halfDone);

  cluster.becomeReady("dev.ml@1.1");
  await engine.scale("ml", 1);
  expect(cluster.routes()).toEqual(halfDone);
  cluster.becomeReady("dev.ml@1.2");
  await engine.scale("ml", 1);
  expect(cluster.routes()).toEqual({ "dev.ml@1.2": "/ml" });
});

// Nothing of it is ready, so the registry never settles: the only host of an organism could never be taken off.
it("takes off what nobody wants also while nobody has a lease", async () => {
  const cluster = createCluster();
  const engine = await createEngine(cluster);
  await engine.deploy(ml);
  await engine.remove("ml");
  expect(cluster.routes()).toEqual({});
});

// Ray drops a package ten minutes after its last use. A rollback, or a start from nothing, was put all the same and failed
// on the node with a sentence about a file in Ray's store.
it("starts nothing whose code the cluster no longer has, and says what to do", async () => {
  const cluster = createCluster();
  const clock = createFakeClock();
  const engine = await createEngine(cluster, clock);
  await engine.deploy({ ...ml, package: "gcs://old.zip" });
  cluster.becomeReady("dev.ml@1.1");
  cluster.dropped.add("gcs://new.zip");
  await engine.deploy({ ...ml, package: "gcs://new.zip" });
  expect(cluster.routes()).toEqual({ "dev.ml@1.1": "/ml" });
  const [host] = engine.status().hosts;
  expect(host?.replicas.map(({ generation, state: { kind } }) => [generation, kind])).toEqual([
    [1, "ready"],
    [2, "backoff"],
  ]);
  const unsettled = expect(engine.settled(100)).rejects.toThrow("bring it again: seedcore up");
  await clock.advance(100);
  await unsettled;

  cluster.dropped.clear();
  await engine.scale("ml", 1);
  expect(cluster.routes()).toEqual({ "dev.ml@1.1": "/ml", "dev.ml@1.2": null });

  await engine.scale("ml", 0);
  cluster.dropped.add("gcs://new.zip");
  await engine.scale("ml", 1);
  expect(cluster.replicasOf("dev.ml@1.2")).toBe(0);
});

// It stood at "starting" for three minutes, and was then taken back because it had not been ready for so long.
it("takes a rollout back at once whose code the cluster no longer has, and says why", async () => {
  const cluster = createCluster();
  const clock = createFakeClock();
  const engine = await createEngine(cluster, clock);
  await engine.deploy({ ...ml, package: "gcs://old.zip" });
  await engine.start();
  cluster.dropped.add("gcs://new.zip");
  await engine.rollOut({ ...ml, version: "2", package: "gcs://new.zip" }, { steps: [100], everyMs: 1_000 });
  await clock.advance(2_000);
  expect(engine.status().hosts[0]?.rollout).toMatchObject({
    state: "returned",
    reason: expect.stringContaining("bring it again: seedcore up") as string,
  });
  await engine.detach();
});

// "ml cannot start: …; ml is not deployed yet", and so for one that was to be scaled.
it("says once that code is missing", async () => {
  const cluster = createCluster();
  const clock = createFakeClock();
  const engine = await createEngine(cluster, clock);
  const said = async () => {
    const error = engine.settled(100).catch((cause: unknown) => String(cause));
    await clock.advance(100);
    return error;
  };
  cluster.dropped.add("gcs://new.zip");
  await engine.deploy({ ...ml, package: "gcs://new.zip" });
  expect(await said()).toMatch(
    /After 100 ms ml cannot start: [^;]*; bring it again: seedcore up; the registry waits [^;]*\.$/,
  );
  await engine.rollOut({ ...ml, version: "2", package: "gcs://new.zip" }, { steps: [100], everyMs: 1_000 });
  expect(await said()).toMatch(
    /After 100 ms ml cannot start: [^;]*; bring it again: seedcore up; the registry waits [^;]*\.$/,
  );
  await engine.abortRollout("ml");

  cluster.dropped.clear();
  await engine.scale("ml", 1);
  await engine.scale("ml", 0);
  cluster.dropped.add("gcs://new.zip");
  await engine.scale("ml", 1);
  expect(await said()).toMatch(
    /After 100 ms ml cannot start: [^;]*; bring it again: seedcore up; the registry waits [^;]*\.$/,
  );
});

// A host that had lost the lead went on taking steps of rollouts.
it("does nothing more once it is detached, also while it starts", async () => {
  const cluster = createCluster();
  const clock = createFakeClock();
  const engine = await createEngine(cluster, clock);
  await engine.deploy({ ...ml, package: "gcs://old.zip" });
  const { keep } = cluster.serve;
  let detached: Promise<void> | undefined;
  cluster.serve.keep = (uri) => {
    detached ??= engine.detach();
    return keep(uri);
  };
  await engine.start();
  expect(detached).toBeDefined();
  await detached;
  expect(clock.pending).toBe(0);

  cluster.serve.read = () => expect.unreachable("it was detached");
  await engine.start();
  expect(clock.pending).toBe(0);
});

it("keeps the code of hosts without a replica, and of what they were before", async () => {
  const cluster = createCluster();
  const clock = createFakeClock();
  const engine = await createEngine(cluster, clock);
  await engine.deploy({ ...ml, package: "gcs://old.zip" });
  await engine.deploy({ ...ml, package: "gcs://new.zip", replicas: 0 });
  await engine.start();
  cluster.kept.length = 0;
  await clock.advance(540_000);
  expect(new Set(cluster.kept)).toEqual(new Set(["gcs://old.zip", "gcs://new.zip"]));
  await engine.detach();
});

// Each change of Serve's list is under the cluster's lock and stands in the way of everybody else's.
it("deploys what an organism consists of in one list, with one application for each host", async () => {
  const { cluster, clock, desired, lists } = createListedCluster();
  for (const name of ["ml", "state", "energy"]) await desired.put(HostSpec.parse({ name, services: [name] }));
  const engine = await createEngine(cluster, clock, desired);
  await engine.start();
  await clock.advance(2_000);
  expect(lists()).toEqual([{ "dev.ml@1.1": "/ml", "dev.state@1.1": "/state", "dev.energy@1.1": "/energy" }]);
  await engine.detach();
});

// A list in between, with the route at neither or at both, is a second without an answer or one that Serve refuses.
describe("a rollout that ends is one list, and in each list one application has the route", () => {
  async function beginRollout() {
    const listed = createListedCluster();
    const { cluster, clock, desired } = listed;
    const engine = await createEngine(cluster, clock, desired);
    await engine.deploy(ml);
    cluster.becomeReady("dev.ml@1.1");
    await engine.rollOut({ ...ml, version: "2" }, { steps: [50, 100], everyMs: 1_000 });
    cluster.becomeReady("dev.ml@2.2");
    return { ...listed, engine, look: () => engine.scale("ml", 1) };
  }

  const before = [{ "dev.ml@1.1": "/ml" }, { "dev.ml@1.1": "/ml", "dev.ml@2.2": null }];
  const none = { calls: 0, errors: 0 };
  const good = { nowMs: 0, elapsedMs: 1_000, old: none, next: none, isReady: true, failure: undefined };

  it("where it has finished", async () => {
    const { desired, lists, look } = await beginRollout();
    for (const percent of [50, 100]) {
      await desired.changeRollout("ml", (rollout) => nextRollout(rollout, good));
      const [host] = await desired.list();
      expect(host?.rollout && percentOf(host.rollout)).toBe(percent);
      await look();
    }
    expect(lists()).toEqual(before);
    await desired.changeRollout("ml", (rollout) => nextRollout(rollout, good));
    await look();
    await look();
    expect(lists()).toEqual([...before, { "dev.ml@2.2": "/ml" }]);
  });

  it("where it was taken back", async () => {
    const { desired, lists, look } = await beginRollout();
    await desired.changeRollout("ml", (rollout) => returned(rollout, "it failed", 0));
    await look();
    await look();
    expect(lists()).toEqual([...before, { "dev.ml@1.1": "/ml" }]);
  });
});
