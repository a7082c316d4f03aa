/** Engines on a test cluster whose host is the toy of the engine's tests, with that and the shim as its package. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "#core/clock.ts";
import type { Engine } from "#runtime/engine/engine.ts";
import type { HostSpecInput } from "#runtime/engine/host-spec.ts";
import { createRayEngine } from "#runtime/engine/ray/ray-engine.ts";
import { createRegistry } from "#runtime/engine/ray/registry.ts";
import { createRegistryActor, toRegistryCall } from "#runtime/engine/ray/registry-actor.ts";
import { createRegistryLock } from "#runtime/engine/ray/registry-lock.ts";
import { createServe } from "#runtime/engine/ray/serve.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createMemoryDesiredState } from "../engine/memory-desired-state.ts";
import { toySpec } from "../engine/toy.ts";
import type { ClusterAddress } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";

const root = join(import.meta.dirname, "..", "..");

export interface ToyEngines {
  readonly spec: HostSpecInput;
  /** Starts another engine, in a namespace of its own. */
  create(): Promise<Engine>;
  /** Ends what engines leave behind. */
  close(): Promise<void>;
}

export async function createToyEngines(cluster: ClusterAddress): Promise<ToyEngines> {
  const rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
  const { uri } = await uploadPackage(rest, [
    { path: "toy-host.ts", content: await readFile(join(root, "test", "engine", "toy-host.ts")) },
    { path: "package.json", content: Buffer.from('{ "type": "module" }') },
    {
      path: "seedcore_ray.py",
      content: await readFile(join(root, "src", "runtime", "ray", "python", "seedcore_ray.py")),
    },
  ]);
  const closing: (() => Promise<void>)[] = [];
  let engines = 0;

  return {
    spec: { ...toySpec, package: uri, entry: "toy-host.ts" },
    async create() {
      const namespace = `engine${++engines}`;
      const ray = createRay(
        { endpoint: endpointOf(cluster), namespace, runtimeEnv: { working_dir: uri } },
        { clock: systemClock },
      );
      const actor = await createRegistryActor(ray, namespace);
      closing.push(async () => {
        await actor.kill();
        await ray.close();
      });
      const registry = createRegistry(toRegistryCall(actor));
      await registry.deposit({
        dataDir: "",
        databaseUrl: "",
        publicKey: {},
        config: {},
      });
      const engine = await createRayEngine({
        clock: systemClock,
        log: silentLogger,
        namespace,
        defaultNamespace: "none",
        serve: createServe({
          rest,
          namespace,
          clock: systemClock,
          lock: createRegistryLock({ registry, clock: systemClock, log: silentLogger }),
        }),
        registry,
        desired: createMemoryDesiredState(),
        mintToken: async () => "none",
        startTimeoutMs: 15_000,
      });
      await engine.start();
      return engine;
    },
    async close() {
      for (const close of closing) await close();
      await rest.close();
    },
  };
}
