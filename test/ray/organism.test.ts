/** `RAY_ADDRESS=… seedcore up` as a person does it, on a real cluster of two nodes. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import type { ClusterInfo } from "#contracts/telemetry.ts";
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
import * as withPostgres from "./with-postgres.ts";

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

/** What docs/ray.md gives to Python. */
const [, PROGRAM = ""] =
  /```python\n([^`]+)```/.exec(readFileSync(join(import.meta.dirname, "..", "..", "docs", "ray.md"), "utf8")) ?? [];
const [FIND_HOST = ""] = PROGRAM.split("answer = ");

/** Somebody else's use of the cluster: an application by REST and one by `serve.run`. */
const STRANGERS = `
${FIND_HOST}
@serve.deployment(ray_actor_options={"num_cpus": 0})
class Echo:
    def __init__(self, text):
        self.text = text

    async def __call__(self, request):
        if request.url.path.endswith("/asks"):
            return await seedcore("ml", "scene").call.remote("GET /ml/status", "{}")
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

/** `cmdline` and `environ` of every process of this machine but the test's own. */
function processTexts(): string {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "latin1");
    } catch {
      return ""; // It ended while we looked.
    }
  };
  return pids.map((pid) => `${read(pid, "cmdline")}\n${read(pid, "environ")}`).join("\n");
}

/** All that Ray has written down on all nodes, its processes' output included. */
function logsOfRay(): string {
  const root = dirname(cluster.tokenFile);
  const files = readdirSync(root, { recursive: true, withFileTypes: true });
  const logs = files.filter((file) => file.isFile() && /\/logs(\/|$)/.test(file.parentPath));
  return logs.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1")).join("\n");
}

const DATABASE_PASSWORD = randomBytes(12).toString("hex");
const SOURCE_SECRET = randomBytes(12).toString("hex");

withPostgres.describe("seedcore up on Ray", () => {
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
    // The server trusts whoever is on its machine and does not look at the password.
    const database = new URL(organism.environment["DATABASE_URL"] ?? "");
    database.password ||= DATABASE_PASSWORD;
    Object.assign(organism.environment, { DATABASE_URL: database.href, SEEDCORE_SECRET_SHOP: SOURCE_SECRET });
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
    const others = ["cognitive", "coordinator", "energy", "engine", "ml", "organism", "state", "telemetry"];
    const doors = started.replicas.filter(({ host }) => host === "gateway");
    expect(started.replicas.map(({ host }) => host).toSorted()).toEqual(
      [...others, ...doors.map(({ host }) => host)].toSorted(),
    );
    expect(doors.map(({ node }) => node).toSorted()).toEqual(cluster.nodes);
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

    // What a host logs is in Ray's own log of its replica, at its own level and with the ids of the call that it belongs to.
    const line =
      /^WARNING \S+ \S+ scene\.organism@\S+ \S+ -- hi \{.*"correlationId": "\w+", "traceId": "[0-9a-f]{32}"/m;
    await vi.waitFor(() => expect(logsOfRay()).toMatch(line), { timeout: 20_000, interval: 500 });

    const hasMemory = async () => {
      const { hosts } = await organism.json<{ hosts: { replicas: { residentBytes: number | null }[] }[] }>("status");
      for (const { residentBytes } of hosts.flatMap(({ replicas }) => replicas))
        expect(residentBytes).toBeGreaterThan(10e6);
    };
    await vi.waitFor(hasMemory, { timeout: 20_000, interval: 500 });
    const status = await organism.run("status");
    expect(status.code, status.stderr).toBe(0);
    for (const { host, node, pid } of started.replicas) {
      // The second of a host is below the first.
      const name = host === "gateway" ? "(gateway)?" : host;
      expect(status.stdout).toMatch(
        new RegExp(`^${name} +ready +.* ${pid} .* ${node.replaceAll(".", "\\.")}( |$)`, "m"),
      );
    }
    expect(status.stdout).toMatch(/^tasks .*succeeded/m);
  });

  it("status tells the nodes, what Serve has of it, and its actors", async () => {
    const isTold = async () => {
      const { cluster: told } = await organism.json<{ cluster: ClusterInfo | null }>("status");
      expect(told?.nodes.map(({ address }) => address).toSorted()).toEqual(cluster.nodes);
      expect(told?.nodes.map(({ isHead }) => isHead)).toEqual([true, false]);
      expect(told?.applications.map(({ state, route }) => [state, route])).toContainEqual(["RUNNING", "/scene/ml"]);
      // Others have theirs on this cluster, too.
      expect(told?.applications.every(({ name }) => name.startsWith("scene."))).toBe(true);
      expect(told?.actors).toContainEqual(expect.objectContaining({ name: "seedcore-registry", state: "ALIVE" }));
    };
    await vi.waitFor(isTold, { timeout: 30_000, interval: 500 });
    expect((await organism.run("status")).stdout).toMatch(/^NODE .*\n.* head /m);
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

  it("streams through Serve's own proxy, and the host's stream ends when its reader leaves", async () => {
    const { url, urlWithToken } = started;
    const headers = { authorization: `Bearer ${urlWithToken.split("#token=")[1]}`, "content-type": "application/json" };
    const openStreams = async () => {
      const text = await (await fetch(`${url}/metrics`, { headers })).text();
      return Number(/^seedcore_streams_open\{[^}]*host="ml"[^}]*\} (\d+)/m.exec(text)?.[1]);
    };
    const push = async (minute: number) => {
      const series = [{ name: "s", points: [[1_700_000_000_000 + minute * 60_000, minute]] }];
      const body = JSON.stringify({ series });
      const { status } = await fetch(`${url}/ml/sources/streamed/points`, { method: "POST", headers, body });
      expect(status).toBe(200);
    };
    const before = await openStreams();
    const leaving = new AbortController();
    const answer = await fetch(`${cluster.serveUrl}/scene/ml/sources/streamed/live`, {
      headers,
      signal: leaving.signal,
    });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let told = "";
    for (const minute of [0, 1]) {
      await push(minute);
      while (!told.includes(`"value":${minute}`)) told += (await reader.read()).value ?? "";
    }
    expect(await openStreams()).toBe(before + 1);
    leaving.abort();
    await vi.waitFor(async () => expect(await openStreams()).toBe(before), { timeout: 20_000, interval: 200 });
  });

  // The names of its applications change with every deploy.
  it("answers a Python program through a DeploymentHandle, as docs/ray.md has it", async () => {
    const { python, gcsAddress, token } = cluster;
    const script = join(folder, "from_python.py");
    writeFileSync(script, PROGRAM);
    const env = {
      ...process.env,
      RAY_ADDRESS: gcsAddress,
      RAY_AUTH_MODE: "token",
      RAY_AUTH_TOKEN: token,
      RAY_USAGE_STATS_ENABLED: "0",
      SEEDCORE_NS: "scene",
    };
    const { stdout } = await promisify(execFile)(python, [script], { env });
    expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ series: expect.any(Number) as number });
  });

  it("answers a Python deployment that awaits it, by both ways a deployment is made", async () => {
    for (const theirs of ["theirs", "theirs-run"]) {
      const { statusCode, body } = await request(`${cluster.serveUrl}/${theirs}/asks`);
      const text = await body.text();
      expect(statusCode, text).toBe(200);
      expect(JSON.parse(text)).toMatchObject({ series: expect.any(Number) as number });
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

  it("keeps its secrets out of Serve's configuration, command lines, environments and Ray's logs", async () => {
    const textOf = async (name: string) =>
      Buffer.from((await ray.store.get(`seedcore/scene/${name}`)) ?? []).toString();
    const deposit = await textOf("deposit");
    const { hosts } = JSON.parse(deposit) as { hosts: Record<string, { token: string }> };
    const { d: key } = JSON.parse(await textOf("key")) as { d: string };
    const { password } = new URL(organism.environment["DATABASE_URL"] ?? "");
    const tokens = Object.values(hosts).map(({ token }) => token);
    expect(tokens).toHaveLength(9);
    // They are what the hosts were given: without that their absence elsewhere says nothing.
    for (const secret of [key, password, SOURCE_SECRET]) expect(deposit).toContain(secret);

    const places = {
      "Serve's configuration": await rest.text({ method: "GET", path: "/api/serve/applications/" }),
      "a command line or environment": processTexts(),
      "a log of Ray": logsOfRay(),
    };
    expect(places["Serve's configuration"]).toContain("seedcore_ray:build");
    expect(places["a command line or environment"]).toContain("host.js");
    expect(places["a log of Ray"]).toMatch(/scene\.ml/);
    const secrets = {
      "the signing key": [key],
      "the database's password": [password],
      "a source's secret": [SOURCE_SECRET],
    };
    for (const [what, values] of Object.entries({ ...secrets, "a host's token": tokens })) {
      for (const [where, text] of Object.entries(places)) {
        expect(
          values.some((value) => text.includes(value)),
          `${what} is in ${where}`,
        ).toBe(false);
      }
    }
  });

  it("again changes nothing", async () => {
    const again = await organism.up();
    expect(again.replicas).toEqual(started.replicas);
    expect(await saidByStrangers()).toEqual(["by REST", "by serve.run"]);
  });

  it("keeps namespaces apart: another organism has its own hosts, and its end is nobody else's", async () => {
    const other = await RayOrganism.create(cluster, "aside", { portRange: [28_000, 28_099] });
    try {
      expect((await other.run("status")).stderr).toContain('No organism "aside" is up');
      const { replicas } = await other.up();
      const known = new Set(started.replicas.map(({ pid }) => pid));
      expect(replicas.filter(({ pid }) => known.has(pid))).toEqual([]);
      const free = replicas.filter(({ host }) => host !== "gateway");
      expect(free.map(({ address, node }) => address.replace(node, "NODE"))).toEqual(
        free.map(() => expect.stringMatching(/^http:\/\/NODE:280\d\d$/) as string),
      );
      expect(await other.json("task", "list")).toMatchObject({ tasks: [] });
      // A token of one opens nothing of the other.
      const { urlWithToken } = await organism.json<{ urlWithToken: string }>("up");
      const token = urlWithToken.split("#token=")[1] ?? "";
      const { address } = replicas.find(({ host }) => host === "gateway") ?? { address: "" };
      const refused = await request(`${address}/-/topology`, { headers: { authorization: `Bearer ${token}` } });
      expect(refused.statusCode).toBe(401);
      await refused.body.dump();
      // As after a head that forgot its actors: what is left of it goes all the same.
      await (await ray.getActor("seedcore-registry", { namespace: "aside" })).kill();
      const down = await other.run("down");
      expect(down.code, down.stderr).toBe(0);
      await vi.waitFor(() => expect(replicas.filter(({ pid }) => isAlive(pid))).toEqual([]), { timeout: 20_000 });
    } finally {
      await other.destroy();
    }
    expect((await keys()).filter((key) => key.startsWith("seedcore/aside/"))).toEqual([]);
    expect((await organism.up()).replicas).toEqual(started.replicas);
  });

  // Serve gives it to the shim, the shim to the host: the process stays the same.
  it("takes Serve's user_config as live configuration, without a restart", async () => {
    const rules = async () => (await organism.json<{ rules: { name: string }[] }>("call", "coordinator.policy")).rules;
    expect((await rules()).length).toBeGreaterThan(1);
    const rule = { name: "tell", when: "true", skill: "notify", params: { message: "hi" } };
    const isOurs = (name: string) => name.startsWith("scene.coordinator@");
    await changeServeApplications({ rest, clock: systemClock, lock: (task) => task(), isOurs }, (present) =>
      present.map((one) => ({
        ...one,
        deployments: one.deployments?.map((deployment) => ({
          ...deployment,
          user_config: { coordinator: { policy: [rule] } },
        })),
      })),
    );
    const isTaken = async () => expect((await rules()).map(({ name }) => name)).toEqual(["tell"]);
    await vi.waitFor(isTaken, { timeout: 60_000, interval: 500 });
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

// It left the registry, the keys and whatever had started on the cluster, in a state that no `up` had made.
withPostgres.it("a first up that fails takes off again what it had begun", async () => {
  const broken = { hosts: { ml: { env: { NODE_OPTIONS: "--no-such-option" } } } };
  const organism = await RayOrganism.create(cluster, "broken", broken);
  const present = [await applications(), await keys()];
  try {
    const { code, stderr } = await organism.run("up");
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('The host "ml" does not start');
    expect([await applications(), await keys()]).toEqual(present);
    await expect(ray.getActor("seedcore-registry", { namespace: "broken" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  } finally {
    await organism.destroy();
  }
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

  withPostgres.it("a cluster that lets in everybody, unless a person says so", async () => {
    const open = await startCluster({ token: false });
    const command = await TestOrganism.create(environmentFor(open));
    try {
      const refused = await command.run("up");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain("seedcore up --insecure-cluster");
      const openRest = createRayRest({ url: open.dashboardUrl, token: () => undefined, clock: systemClock });
      expect((await readServe(openRest)).applications).toEqual({});
      await openRest.close();

      const organism = await RayOrganism.create(open, "open");
      try {
        const { replicas } = await organism.json<Started>("up", "--insecure-cluster");
        expect(replicas).toHaveLength(9);
        const task = await organism.json<{ state: string }>(
          "task",
          "submit",
          "notify",
          "--params",
          '{"message":"hi"}',
          "--wait",
        );
        expect(task.state).toBe("succeeded");
        expect((await organism.run("status")).code).toBe(0);
        // The organism's own door stays shut.
        const refused = await request(`${open.serveUrl}/open/ml/status`);
        expect(refused.statusCode).toBe(401);
        await refused.body.dump();
        expect((await organism.run("down")).code).toBe(0);
        await vi.waitFor(() => expect(replicas.filter(({ pid }) => isAlive(pid))).toEqual([]), { timeout: 20_000 });
      } finally {
        await organism.destroy();
      }
    } finally {
      rmSync(command.home, { recursive: true, force: true });
      await open.stop();
    }
  });
});
