import { describe, expect, it } from "vitest";
import { firstUsefulLine, observe, observedStatus } from "./observation.ts";
import type { RegistryStatus } from "./registry.ts";
import { RestartCounter } from "./restart-counter.ts";
import type { ServedApplication } from "./serve.ts";

const served = (over: Partial<ServedApplication> = {}): ServedApplication => ({
  name: "dev.ml@1.3",
  status: "RUNNING",
  message: "",
  deployedAtMs: 5,
  targetReplicas: 1,
  replicas: [{ id: "abc", state: "RUNNING" }],
  config: {
    name: "dev.ml@1.3",
    route_prefix: "/ml",
    import_path: "seedcore_ray:build",
    runtime_env: {},
    args: { spec: { name: "ml", services: ["ml"] } },
    external_scaler_enabled: true,
    deployments: [{ name: "Replica", num_replicas: 1 }],
  },
  ...over,
});
const lease = {
  replica: { id: "ml/0@abc", host: "ml", version: "1", address: "http://10.0.0.2:700" },
  pid: 42,
  node: { id: "n", ip: "10.0.0.2" },
  serve: { app: "dev.ml@1.3", replica: "abc" },
  state: { kind: "ready" as const, sinceMs: 9 },
};
const registry = (listed: boolean, leases = [lease]): RegistryStatus => ({
  isDown: false,
  leases,
  hosts: {},
  topology: {
    version: 1,
    epoch: "e",
    state: "settled",
    replicas: listed ? [{ ...lease.replica, services: ["ml"], weight: 1 }] : [],
  },
});
const statusOf = (application: ServedApplication, leases: RegistryStatus) => {
  const observed = observe("dev", [application], leases);
  return observedStatus("ml", { wanted: [], observed, codeless: [], restarts: new RestartCounter() })?.replicas;
};

describe("what is observed", () => {
  // RUNNING is what Serve says once Python is up; only the topology says that callers reach the host.
  it("is ready only in the topology", () => {
    expect(statusOf(served(), registry(true))).toMatchObject([
      { id: "ml/0@abc", pid: 42, node: "10.0.0.2", state: { kind: "ready", address: "http://10.0.0.2:700" } },
    ]);
    expect(statusOf(served(), registry(false))).toMatchObject([{ state: { kind: "starting" } }]);
    expect(statusOf(served(), registry(false, []))).toMatchObject([{ id: "ml@abc", pid: undefined }]);
  });

  // After a rollout the version before was "gone", and half a minute later `status` still had it, "ready".
  it("is draining while Serve deletes its application", () => {
    expect(statusOf(served({ status: "DELETING" }), registry(true))).toMatchObject([{ state: { kind: "draining" } }]);
  });

  // Of a host that never gets ready its lease is all there is to go by; before there is one, Serve's message.
  it("says what one that starts waits for", () => {
    const starting = { ...lease, state: { kind: "starting" as const, sinceMs: 9, reason: "ml is warming up" } };
    const of = (message: string, leases: RegistryStatus["leases"]) =>
      statusOf(served({ message }), { ...registry(false), leases })?.[0]?.state;
    expect(of("", [starting])).toEqual({ kind: "starting", sinceMs: 9, reason: "ml is warming up" });
    expect(of("1 replica waits for a node", [])).toMatchObject({ reason: "1 replica waits for a node" });
    expect(of("", [])).toMatchObject({ reason: "Serve has not started its process yet" });
  });

  it("is draining when Serve stops it, whatever its lease says", () => {
    const replicas = [{ id: "abc", state: "STOPPING" }];
    expect(statusOf(served({ replicas }), registry(true))).toMatchObject([{ state: { kind: "draining" } }]);
  });

  it("says why nothing starts while Serve shows no replica", () => {
    const failed = served({ status: "DEPLOY_FAILED", replicas: [], message: "RuntimeError: no model" });
    expect(statusOf(failed, registry(false, []))).toMatchObject([{ state: { kind: "backoff", reason: "no model" } }]);
  });

  it("leaves out what is not of this organism", () => {
    expect(observe("other", [served()], registry(true))).toEqual([]);
  });
});

// It read "Failed to set up runtime environment." The cause is in the last line of a traceback within a traceback, of a class
// that is called neither Error nor Exception; and no deploy of the same code makes it good, since Ray has a package by that name.
describe("a package that cannot be unpacked", () => {
  const message = (last: string) =>
    [
      "Runtime env setup for app 'dev.ml@1.3' failed:",
      "Traceback (most recent call last):",
      '  File "worker.py", line 1055, in get_objects',
      "    raise value",
      "ray.exceptions.RuntimeEnvSetupError: Failed to set up runtime environment.",
      "[Node 10.0.0.2] Traceback (most recent call last):",
      '  File "packaging.py", line 1161, in unzip_package',
      '    with ZipFile(str(package_path), "r") as zip_ref:',
      last,
      "",
    ].join("\n");
  const failureOf = (contracts: object[], last: string) => {
    const config = {
      ...served().config,
      runtime_env: { working_dir: "gcs://_ray_pkg_1.zip" },
      args: { spec: { name: "ml", services: ["ml"], contracts } },
    };
    const failed = served({ status: "DEPLOY_FAILED", replicas: [], config, message: message(last) });
    return observe("dev", [failed], registry(false, []))[0]?.failure;
  };

  it("is named, with what is wrong and what to do", () => {
    expect(failureOf([], "zipfile.BadZipFile: File is not a zip file")).toBe(
      "its package gcs://_ray_pkg_1.zip is damaged on the cluster (File is not a zip file); Ray drops it ten minutes after its last use: seedcore down, and after that time seedcore up",
    );
    expect(
      failureOf(
        [{ name: "shop", summary: "", state: "none", procedures: {} }],
        "zlib.error: Error -3 while decompressing data: invalid code lengths set",
      ),
    ).toBe(
      "its package gcs://_ray_pkg_1.zip is damaged on the cluster (Error -3 while decompressing data: invalid code lengths set); changed code is another package: change something and deploy it again: seedcore deploy FOLDER",
    );
  });

  it("is not damaged where the node has no room for it", () => {
    expect(failureOf([], "OSError: [Errno 28] No space left on device")).toBe("[Errno 28] No space left on device");
  });
});

describe("the useful line of Serve's message", () => {
  it("is what the constructor raised, out of a traceback within a traceback", () => {
    const message = [
      "The deployment failed to start 3 times in a row. See controller logs for details. Error:",
      "\u001b[36mray::1:Replica.initialize_and_get_metadata()\u001b[39m (pid=840, ip=127.0.0.1)",
      '  File "replica.py", line 1928, in initialize',
      "    raise RuntimeError(traceback.format_exc()) from None",
      "RuntimeError: Traceback (most recent call last):",
      '  File "seedcore_ray.py", line 6, in __init__',
      "RuntimeError: The host toy@1 ended while it started: the model file is missing",
    ].join("\n");
    expect(firstUsefulLine(message)).toBe("The host toy@1 ended while it started: the model file is missing");
  });

  it("is the first line where nothing was raised, and none where nothing was said", () => {
    expect(firstUsefulLine("Waiting for resources.\nmore")).toBe("Waiting for resources.");
    expect(firstUsefulLine("")).toBeUndefined();
  });
});

describe("restarts", () => {
  const observed = (target: number, ...ids: string[]) =>
    observe(
      "dev",
      [served({ targetReplicas: target, replicas: ids.map((id) => ({ id, state: "RUNNING" })) })],
      registry(false, []),
    );

  it("count how often a lost place was filled again, not what scaling does", () => {
    const counter = new RestartCounter();
    const count = (id: string) => counter.of("dev.ml@1.3", id);
    counter.look(observed(2, "a", "b"));
    counter.look(observed(2, "b"));
    counter.look(observed(2, "b", "c"));
    // A lease gives a replica its id; that is no new replica.
    counter.look(
      observe(
        "dev",
        [served({ targetReplicas: 2, replicas: ["b", "c"].map((id) => ({ id, state: "RUNNING" })) })],
        registry(false, [{ ...lease, serve: { app: "dev.ml@1.3", replica: "c" } }]),
      ),
    );
    counter.look(observed(2, "c", "d"));
    expect([count("c"), count("d")]).toEqual([1, 1]);
    counter.look(observed(1, "d"));
    counter.look(observed(2, "d", "e"));
    expect([count("d"), count("e")]).toEqual([1, 0]);
  });
});
