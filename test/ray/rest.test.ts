/** @module-tag smoke */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { request } from "undici";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { readClusterResources, readNodeUsage } from "#runtime/ray/rest/cluster.ts";
import { deleteJob, listJobs, readJob, readJobLog, stopJob, submitJob } from "#runtime/ray/rest/jobs.ts";
import { pinPackage, toPackageName, uploadPackage } from "#runtime/ray/rest/packages.ts";
import { changeServeApplications, type ServeApplicationsDeps } from "#runtime/ray/rest/serve-applications.ts";
import { type ApplicationConfig, type ApplicationDetails, readServe } from "#runtime/ray/rest/serve-details.ts";
import { failureOf } from "#runtime/ray/rest/serve-failure.ts";
import { scaleDeployment } from "#runtime/ray/rest/serve-scaler.ts";
import { listState, readLog, STATE } from "#runtime/ray/rest/state.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { readAuthenticationMode, readVersion } from "#runtime/ray/rest/version.ts";
import type { PackageFile } from "#runtime/ray/rest/zip.ts";

const { dashboardUrl, serveUrl, token, nodes, python } = inject("ray");
const connect = (presented: string | undefined) =>
  createRayRest({ url: dashboardUrl, token: () => presented, clock: systemClock });
const rest = connect(token);
afterAll(() => rest.close());

const APPLICATIONS = `
import logging
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0})
class Echo:
    def __init__(self, text):
        self.text = text

    async def __call__(self, request):
        return self.text

def build(args):
    return Echo.bind(args["text"])

@serve.deployment(ray_actor_options={"num_cpus": 0})
class Broken:
    def __init__(self):
        logging.getLogger("ray.serve").warning("looking for the model")
        raise ValueError("the model file is missing")

    async def __call__(self, request):
        return ""

broken = Broken.bind()
`;

const files: readonly PackageFile[] = [
  { path: "applications.py", content: Buffer.from(APPLICATIONS) },
  {
    path: "theirs.py",
    content: Buffer.from(
      'from ray import serve\nimport applications\n\nserve.run(applications.build({"text": "by serve.run"}), name="run", route_prefix="/run")\n',
    ),
  },
  {
    path: "bin/tool",
    mode: 0o755,
    content: Buffer.from('#!/bin/sh\necho "the tool ran in $(basename $(dirname $0))"\n'),
  },
];

/** Waits for what Ray does in its own time. */
function eventually<T>(check: () => Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 90_000, interval: 300 });
}

async function runJob(entrypoint: string, workingDir: string): Promise<string> {
  const id = await submitJob(rest, { entrypoint, runtimeEnv: { working_dir: workingDir } });
  const job = await eventually(async () => {
    const present = await readJob(rest, id);
    expect(["SUCCEEDED", "FAILED"]).toContain(present.status);
    return present;
  });
  const log = await readJobLog(rest, id);
  expect(job.status, `${job.message}\n${log}`).toBe("SUCCEEDED");
  return log;
}

describe("the dashboard", () => {
  test("says to everybody that it wants a token, and its version to whoever has it", async () => {
    const open = connect(undefined);
    const { version, sessionName } = await readVersion(rest);
    expect(version).toBe(
      execFileSync(python, ["-c", "import ray; print(ray.__version__)"], { encoding: "utf8" }).trim(),
    );
    expect(sessionName).toMatch(/^session_/);
    expect(await readAuthenticationMode(open)).toBe("token");
    await open.close();
  });

  test("without a token or with a wrong one nothing is told, and what to do is", async () => {
    for (const [presented, code] of [
      [undefined, "UNAUTHENTICATED"],
      ["0".repeat(64), "FORBIDDEN"],
    ] as const) {
      const stranger = connect(presented);
      const error = await listState(stranger, STATE.nodes).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(String(error)).toContain("RAY_AUTH_TOKEN_PATH");
      await stranger.close();
    }
  });

  test("a port where nobody listens is UNAVAILABLE, and surely nothing began", async () => {
    const nobody = createRayRest({ url: "http://127.0.0.1:9", token: () => token, clock: systemClock });
    await expect(readVersion(nobody)).rejects.toMatchObject({ code: "UNAVAILABLE", started: "no" });
    await nobody.close();
  });
});

describe("packages and jobs", () => {
  test("a package is sent once, pinned, and unpacked with its modes; one too large is refused before it is sent", async () => {
    expect(await pinPackage(rest, toPackageName(files))).toBe(false);
    const { uri, sentBytes } = await uploadPackage(rest, files);
    expect(sentBytes).toBeGreaterThan(0);
    expect(await uploadPackage(rest, files)).toEqual({ uri, sentBytes: 0 });
    expect(await runJob("bin/tool", uri)).toContain("the tool ran in bin");

    const huge = { path: "huge.bin", content: randomBytes(101 * 1024 * 1024) };
    const error = await uploadPackage(rest, [huge]).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "TOO_LARGE" });
    expect(String(error)).toContain("huge.bin (101.0 MiB)");
    expect(await pinPackage(rest, toPackageName([huge]))).toBe(false);
  });

  // Our limit is only as good as Ray's is the same.
  test("the dashboard's own limit is where we say it is", async () => {
    const body = Buffer.alloc(100 * 1024 * 1024 + 1);
    const put = rest.call({ method: "PUT", path: "/api/packages/gcs/_ray_pkg_x.zip", body, schema: z.unknown() });
    await expect(put).rejects.toMatchObject({ code: expect.stringMatching(/TOO_LARGE|CONNECTION_LOST/) });
  });

  test("a job is listed, stopped, and forgotten", async () => {
    const id = await submitJob(rest, { entrypoint: "sleep 600", submissionId: "sleeper", metadata: { who: "test" } });
    expect(id).toBe("sleeper");
    await expect(submitJob(rest, { entrypoint: "true", submissionId: "sleeper" })).rejects.toMatchObject({
      code: "CONFLICT",
      started: "no",
    });
    await eventually(async () => expect((await readJob(rest, id)).status).toBe("RUNNING"));
    expect((await listJobs(rest)).find((job) => job.submission_id === id)?.metadata).toEqual({ who: "test" });
    expect(await stopJob(rest, id)).toBe(true);
    await eventually(async () => expect((await readJob(rest, id)).status).toBe("STOPPED"));
    expect(await deleteJob(rest, id)).toBe(true);
    await expect(readJob(rest, id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("Serve applications", () => {
  let workingDir = "";
  const deps: ServeApplicationsDeps = {
    rest,
    clock: systemClock,
    lock: (task) => task(),
    isOurs: (name) => name.startsWith("ours."),
  };
  const echo = (name: string, more: Partial<ApplicationConfig> = {}): ApplicationConfig => ({
    name,
    route_prefix: `/${name}`,
    import_path: "applications:build",
    runtime_env: { working_dir: workingDir },
    args: { text: `answer of ${name}` },
    external_scaler_enabled: true,
    deployments: [{ name: "Echo", num_replicas: 1 }],
    ...more,
  });
  const put = (applications: readonly ApplicationConfig[]) =>
    rest.call({ method: "PUT", path: "/api/serve/applications/", body: { applications }, schema: z.unknown() });
  const application = async (name: string) => (await readServe(rest)).applications[name] as ApplicationDetails;
  const replicas = (details: ApplicationDetails) =>
    (details.deployments["Echo"]?.replicas ?? [])
      .filter(({ state }) => state === "RUNNING")
      .map((one) => one.replica_id);
  const running = (name: string, count: number) =>
    eventually(async () => {
      const details = await application(name);
      expect(details.status).toBe("RUNNING");
      expect(replicas(details)).toHaveLength(count);
      return replicas(details).toSorted();
    });
  const answerOf = async (route: string) => {
    const { body } = await request(serveUrl + route);
    return body.text();
  };

  beforeAll(async () => {
    ({ uri: workingDir } = await uploadPackage(rest, files));
  });
  afterAll(async () => {
    await put([]);
    await runJob(`python -c 'from ray import serve; serve.delete("run")'`, workingDir);
  });

  test("ours come, scale, fail and go beside those of others, whose replicas are not touched", async () => {
    await runJob("python theirs.py", workingDir);
    await put([echo("theirs")]);
    await running("theirs", 1);
    await scaleDeployment(rest, "theirs", "Echo", 2);
    const theirs = await running("theirs", 2);
    const byRun = await running("run", 1);

    await changeServeApplications(deps, (present) => [
      ...present,
      echo("ours.a"),
      echo("ours.broken", { import_path: "applications:broken", args: {}, deployments: [{ name: "Broken" }] }),
    ]);
    await running("ours.a", 1);
    expect(await answerOf("/ours.a")).toBe("answer of ours.a");
    expect(await answerOf("/theirs")).toBe("answer of theirs");
    expect(await answerOf("/run")).toBe("by serve.run");

    const failure = await eventually(async () => {
      const found = failureOf(await application("ours.broken"));
      if (found === undefined) throw new Error("not failed yet");
      return found;
    });
    expect(failure.reason).toBe("ValueError: the model file is missing");
    const [log] = failure.logs;
    if (log === undefined) throw new Error("no log is named");
    expect(await readLog(rest, { ...log, lines: 200 })).toContain("looking for the model");

    await scaleDeployment(rest, "ours.a", "Echo", 2);
    const ours = await running("ours.a", 2);
    // A second change keeps the count that the scaler has set, and every replica.
    await changeServeApplications(deps, (present) => present.filter(({ name }) => name !== "ours.broken"));
    await eventually(async () => expect((await readServe(rest)).applications).not.toHaveProperty("ours.broken"));
    expect(await running("ours.a", 2)).toEqual(ours);

    await changeServeApplications(deps, () => []);
    await eventually(async () => {
      const names = Object.keys((await readServe(rest)).applications);
      expect(names.filter((name) => name.startsWith("ours."))).toEqual([]);
    });
    expect(await running("theirs", 2)).toEqual(theirs);
    expect(await running("run", 1)).toEqual(byRun);
  });

  test("a name or route of others is refused, and a nonsense configuration in Serve's words", async () => {
    const taken = changeServeApplications({ ...deps, isOurs: () => true }, () => [echo("run")]);
    await expect(taken).rejects.toMatchObject({ code: "CONFLICT", started: "no" });
    const route = changeServeApplications(deps, () => [echo("ours.a", { route_prefix: "/run" })]);
    await expect(route).rejects.toMatchObject({ code: "CONFLICT" });
    const nonsense = changeServeApplications(deps, () => [echo("ours.a", { import_path: "no-colon" })]);
    await expect(nonsense).rejects.toMatchObject({
      code: "INVALID_INPUT",
      message: expect.stringContaining("no-colon"),
    });
    expect(await answerOf("/run")).toBe("by serve.run");
  });

  test("what may not be scaled says so", async () => {
    await expect(scaleDeployment(rest, "run", "Echo", 2)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining("external_scaler_enabled"),
    });
    await expect(scaleDeployment(rest, "nobody", "Echo", 2)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("state", () => {
  test("lists nodes, actors, workers and groups, filtered and limited", async () => {
    const { rows } = await listState(rest, STATE.nodes, { filters: [{ key: "state", is: "=", value: "ALIVE" }] });
    expect(rows.map(({ node_ip }) => node_ip).toSorted()).toEqual(nodes);

    const controllers = await listState(rest, STATE.actors, {
      filters: [
        { key: "class_name", is: "=", value: "ServeController" },
        { key: "state", is: "=", value: "ALIVE" },
      ],
      detail: true,
    });
    expect(controllers.rows).toMatchObject([{ ray_namespace: "serve", is_detached: true }]);
    expect(controllers.warnings).toEqual([]);

    const one = await listState(rest, STATE.workers, { limit: 1 });
    expect(one.rows).toHaveLength(1);
    expect(one.matching).toBeGreaterThan(1);
    expect((await listState(rest, STATE.placementGroups)).rows).toEqual([]);
  });

  test("a log of a node or file that is not there is an error with the name in it", async () => {
    const head = (await listState(rest, STATE.nodes)).rows.find(({ is_head_node: isHead }) => isHead);
    await expect(readLog(rest, { nodeId: head?.node_id ?? "", file: "serve/no-such.log" })).rejects.toMatchObject({
      message: expect.stringContaining("no-such.log"),
    });
  });

  test("nodes and resources have their figures", async () => {
    const usage = await readNodeUsage(rest);
    expect(
      usage
        .filter(({ isAlive }) => isAlive)
        .map(({ ip }) => ip)
        .toSorted(),
    ).toEqual(nodes);
    expect(
      usage.every(({ memoryUsedBytes = 0, memoryBytes = 0 }) => memoryUsedBytes > 0 && memoryUsedBytes < memoryBytes),
    ).toBe(true);
    await eventually(async () => expect((await readClusterResources(rest)).usage["CPU"]?.total).toBe(16));
  });
});
