/** `RAY_ADDRESS=… seedcore up` as a person does it, on a real cluster of two nodes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { systemClock } from "#core/clock.ts";
import { seededRandom } from "#core/random.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { readJob, submitJob } from "#runtime/ray/rest/jobs.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { changeServeApplications } from "#runtime/ray/rest/serve-applications.ts";
import { readServe } from "#runtime/ray/rest/serve-details.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { TestOrganism } from "../app/organism.ts";
import { startCluster } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";
import { environmentFor, isAlive, RayOrganism, type Started } from "./ray-organism.ts";

const cluster = inject("ray");
const rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
const ray = createRay({ endpoint: endpointOf(cluster), namespace: "test" }, { clock: systemClock });
const folder = mkdtempSync(join(tmpdir(), "seedcore-on-ray-"));
afterAll(async () => {
  await Promise.all([rest.close(), ray.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const applications = async () => Object.keys((await readServe(rest)).applications).toSorted();
const keys = () => ray.store.list("seedcore/");

/** Somebody else's use of the cluster: an application by REST and one by `serve.run`. */
const STRANGERS = `
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0})
class Echo:
    def __init__(self, text):
        self.text = text

    async def __call__(self, request):
        return self.text

def build(args):
    return Echo.bind(args["text"])

if __name__ == "__main__":
    serve.run(build({"text": "by serve.run"}), name="theirs-run", route_prefix="/theirs-run")
`;
const saidByStrangers = () =>
  Promise.all(["theirs", "theirs-run"].map(async (path) => (await request(`${cluster.serveUrl}/${path}`)).body.text()));

/** What a Prometheus server would get from all nodes; Ray writes where they are into the cluster's folder. */
async function metricsOfRay(): Promise<string> {
  const file = join(dirname(cluster.tokenFile), "prom_metrics_service_discovery.json");
  const [{ targets }] = JSON.parse(readFileSync(file, "utf8")) as [{ targets: readonly string[] }];
  const texts = targets.map(async (target) => (await request(`http://${target}/metrics`)).body.text());
  return (await Promise.all(texts)).join("\n");
}

describe("seedcore up on Ray", () => {
  let organism: RayOrganism;
  let started: Started;
  let before: string[];

  beforeAll(async () => {
    const { uri } = await uploadPackage(rest, [{ path: "theirs.py", content: Buffer.from(STRANGERS) }]);
    const isOurs = (name: string) => name === "theirs";
    await changeServeApplications({ rest, clock: systemClock, lock: (task) => task(), isOurs }, () => [
      {
        name: "theirs",
        route_prefix: "/theirs",
        import_path: "theirs:build",
        runtime_env: { working_dir: uri },
        args: { text: "by REST" },
      },
    ]);
    const job = await submitJob(rest, { entrypoint: "python theirs.py", runtimeEnv: { working_dir: uri } });
    const isDone = async () => expect((await readJob(rest, job)).status).toBe("SUCCEEDED");
    await vi.waitFor(isDone, { timeout: 90_000, interval: 300 });
    const isServing = async () => expect(await saidByStrangers()).toEqual(["by REST", "by serve.run"]);
    await vi.waitFor(isServing, { timeout: 90_000, interval: 300 });
    before = await applications();
    organism = await RayOrganism.create(cluster, "scene");
  });
  afterAll(async () => {
    await organism.destroy();
    await changeServeApplications(
      { rest, clock: systemClock, lock: (task) => task(), isOurs: (name) => name === "theirs" },
      () => [],
    );
    await vi.waitFor(async () => expect(await applications()).not.toContain("theirs"), {
      timeout: 60_000,
      interval: 300,
    });
  });

  it("two at once: one brings it up, the other says that it is under way", { tags: ["smoke"] }, async () => {
    const both = await Promise.all([organism.run("up", "--json"), organism.run("up", "--json")]);
    const [winner, loser] = both.toSorted((a, b) => (a.code ?? 9) - (b.code ?? 9));
    expect(winner?.code, winner?.stderr).toBe(0);
    expect(loser?.code).toBe(1);
    expect(loser?.stderr).toContain('Another `up` or `down` of the namespace \\"scene\\" is under way');
    started = JSON.parse(winner?.stdout ?? "") as Started;
  });

  it("says what runs where", { tags: ["smoke"] }, () => {
    expect(started.nodes.toSorted()).toEqual(cluster.nodes);
    expect(started.replicas.map(({ host }) => host).toSorted()).toEqual(
      ["cognitive", "coordinator", "energy", "engine", "gateway", "ml", "organism", "state", "telemetry"].toSorted(),
    );
    for (const { host, pid, address, node } of started.replicas) {
      expect(isAlive(pid), host).toBe(true);
      expect(new URL(address).hostname, host).toBe(node);
      expect(cluster.nodes, host).toContain(node);
    }
  });

  it("does the main job: a file's jump becomes an incident, a task is done, status tells of both", {
    tags: ["smoke"],
  }, async () => {
    const random = seededRandom(7);
    const lines = Array.from({ length: 3_000 }, (_, minute) => {
      const value = 100 + 10 * random.next() + (minute >= 2_500 && minute < 2_530 ? 400 : 0);
      return `${new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString()},${value.toFixed(3)}`;
    });
    const file = join(folder, "requests.csv");
    writeFileSync(file, `timestamp,value\n${lines.join("\n")}\n`);
    const { code, stdout, stderr } = await organism.run("watch", file, "--check", "--json");
    expect(code, stderr).toBe(4);
    const { incidents } = JSON.parse(stdout) as { incidents: { id: string; series: string[] }[] };
    expect(incidents[0]?.series).toEqual(["requests/value"]);
    const shown = await organism.run("incidents", "show", incidents[0]?.id ?? "");
    for (const part of ["requests/value", "noticed", "decided"]) expect(shown.stdout).toContain(part);

    const args = ["notify", "--params", '{"message":"hi"}', "--wait"];
    const task = await organism.json<{ state: string }>("task", "submit", ...args);
    expect(task.state).toBe("succeeded");

    const status = await organism.run("status");
    expect(status.code, status.stderr).toBe(0);
    for (const { host, node, pid } of started.replicas) {
      expect(status.stdout).toMatch(new RegExp(`^${host} +ready +.* ${pid} .* ${node.replaceAll(".", "\\.")} `, "m"));
    }
    expect(status.stdout).toMatch(/^tasks .*succeeded/m);
  });

  // Everybody else on the cluster, Python too, comes this way.
  it("answers through Serve's own proxy, to whoever has a token and to nobody else", { tags: ["smoke"] }, async () => {
    const { urlWithToken } = await organism.json<{ urlWithToken: string }>("up");
    const token = urlWithToken.split("#token=")[1] ?? "";
    const ask = (authorization?: string) =>
      request(`${cluster.serveUrl}/scene/ml/valve/calibrate`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(authorization && { authorization }) },
        body: JSON.stringify({ targetArl0: 500, mean: 0, shiftedMean: 1, sd: 1 }),
      });
    const answer = await ask(`Bearer ${token}`);
    const text = await answer.body.text();
    expect(answer.statusCode, text).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ threshold: expect.any(Number) as number });
    for (const wrong of [undefined, "Bearer x.y.z"]) {
      const refused = await ask(wrong);
      expect(refused.statusCode).toBe(401);
      await refused.body.dump();
    }
  });

  it("shows what its hosts measure in Ray's own metrics", async () => {
    const isThere = async () => {
      const text = await metricsOfRay();
      const line = text.split("\n").find((one) => /^ray_seedcore_calls_total{.*service="ml"/.test(one)) ?? "";
      expect(line).toMatch(/host="ml"/);
      expect(line).toMatch(/namespace="scene"/);
      expect(Number(line.slice(line.lastIndexOf(" ")))).toBeGreaterThan(0);
      expect(text).toMatch(/^ray_process_resident_memory_bytes{.*host="ml"/m);
    };
    await vi.waitFor(isThere, { timeout: 60_000, interval: 1_000 });
  });

  it("again changes nothing", async () => {
    const again = await organism.up();
    expect(again.replicas).toEqual(started.replicas);
    expect(await saidByStrangers()).toEqual(["by REST", "by serve.run"]);
  });

  it("keeps namespaces apart: another organism has its own hosts, and its end is nobody else's", async () => {
    const other = await RayOrganism.create(cluster, "aside");
    try {
      expect((await other.run("status")).stderr).toContain('No organism "aside" is up');
      const { replicas } = await other.up();
      const known = new Set(started.replicas.map(({ pid }) => pid));
      expect(replicas.filter(({ pid }) => known.has(pid))).toEqual([]);
      expect(await other.json("task", "list")).toMatchObject({ tasks: [] });
      // A token of one opens nothing of the other.
      const { urlWithToken } = await organism.json<{ urlWithToken: string }>("up");
      const token = urlWithToken.split("#token=")[1] ?? "";
      const { address } = replicas.find(({ host }) => host === "gateway") ?? { address: "" };
      const refused = await request(`${address}/-/topology`, { headers: { authorization: `Bearer ${token}` } });
      expect(refused.statusCode).toBe(401);
      await refused.body.dump();
      expect((await other.run("down")).code).toBe(0);
      await vi.waitFor(() => expect(replicas.filter(({ pid }) => isAlive(pid))).toEqual([]), { timeout: 20_000 });
    } finally {
      await other.destroy();
    }
    expect((await keys()).filter((key) => key.startsWith("seedcore/aside/"))).toEqual([]);
    expect((await organism.up()).replicas).toEqual(started.replicas);
  });

  it("down takes all of it off and nothing else", { tags: ["smoke"] }, async () => {
    const down = await organism.run("down");
    expect(down.code, down.stderr).toBe(0);
    expect(await applications()).toEqual(before);
    expect(await saidByStrangers()).toEqual(["by REST", "by serve.run"]);
    expect(await keys()).toEqual([]);
    await expect(ray.getActor("seedcore-registry", { namespace: "scene" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
    const left = () => expect(started.replicas.filter(({ pid }) => isAlive(pid))).toEqual([]);
    await vi.waitFor(left, { timeout: 20_000 });
    expect((await organism.run("down")).code).toBe(3);
    expect((await organism.run("status")).stderr).toContain('No organism "scene" is up');
  });
});

describe("seedcore up refuses, before anything is deployed,", () => {
  /** What it says, having changed nothing on the cluster. */
  async function refusal(more: Readonly<Record<string, string>>): Promise<string> {
    const command = await TestOrganism.create({ ...environmentFor(cluster), ...more });
    const present = [await applications(), await keys()];
    try {
      const { code, stdout, stderr } = await command.run("up");
      expect(code, stdout).toBe(1);
      expect([await applications(), await keys()]).toEqual(present);
      return stderr;
    } finally {
      rmSync(command.home, { recursive: true, force: true });
    }
  }

  it("SQLite on more than one node", async () => {
    const said = await refusal({});
    expect(said).toContain("The cluster has 2 nodes, and SQLite is a file of one machine.");
    expect(said).toContain("DATABASE_URL=postgres://");
  });

  it("a wrong token, and a port where no Ray is", async () => {
    expect(await refusal({ RAY_AUTH_TOKEN: "0".repeat(64) })).toMatch(/token/i);
    const nobody = new URL(cluster.address);
    nobody.port = "9";
    expect(await refusal({ RAY_ADDRESS: nobody.href })).toMatch(/:9\b/);
  });

  it("a version of Ray that it was not tested on, and names what overrides that", async () => {
    const dashboard = createServer((_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end('{"ray_version": "2.9.3"}');
    });
    await new Promise<void>((resolve) => dashboard.listen(0, "127.0.0.1", resolve));
    const { port } = dashboard.address() as AddressInfo;
    const said = await refusal({ RAY_API_SERVER_ADDRESS: `http://127.0.0.1:${port}` });
    expect(said).toContain("The cluster runs Ray 2.9.3");
    expect(said).toContain("SEEDCORE_RAY_ANY_VERSION=1");
    dashboard.close();
  });

  it("a cluster that lets in everybody, unless a person says so", async () => {
    const open = await startCluster({ token: false, serve: false });
    const command = await TestOrganism.create(environmentFor(open));
    try {
      const refused = await command.run("up");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("seedcore up --insecure-cluster");
      const openRest = createRayRest({ url: open.dashboardUrl, token: () => undefined, clock: systemClock });
      expect((await readServe(openRest)).applications).toEqual({});
      await openRest.close();
    } finally {
      rmSync(command.home, { recursive: true, force: true });
      await open.stop();
    }
  });
});
