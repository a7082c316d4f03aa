/** What the engine of a Ray cluster does to Serve's applications, by what Serve and the registry say. */
import { expect, it } from "vitest";
import type { Clock } from "#core/clock.ts";
import { createRayEngine } from "#runtime/engine/ray/ray-engine.ts";
import type { Lease, Registry, RegistryStatus } from "#runtime/engine/ray/registry.ts";
import type { Serve, ServedApplication } from "#runtime/engine/ray/serve.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
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

const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });

async function createEngine(cluster: ReturnType<typeof createCluster>, clock: Clock = createFakeClock()) {
  return createRayEngine({
    clock,
    log: silentLogger,
    namespace: "dev",
    defaultNamespace: "dev",
    serve: cluster.serve,
    registry: cluster.registry,
    desired: createMemoryDesiredState(),
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
