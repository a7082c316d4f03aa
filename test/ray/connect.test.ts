/** connect() to an organism on a real Ray cluster: each way to name it, twice, wrongly, and after a loss of everything. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect as openSocket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, vi } from "vitest";
import { type Connection, connect } from "#app/connect.ts";
import { isAlive, RayOrganism } from "./ray-organism.ts";
import { it } from "./with-postgres.ts";

const cluster = inject("ray");
const namespace = "connects";
const home = mkdtempSync(join(tmpdir(), "seedcore-connects-"));
let organism: RayOrganism;
beforeAll(async () => {
  organism = await RayOrganism.create(cluster, namespace);
  await organism.up();
});
afterAll(async () => {
  await organism.destroy();
  rmSync(home, { recursive: true });
});

/** What a person has in the environment; nothing of this machine's. */
beforeEach(() => {
  for (const name of ["RAY_ADDRESS", "RAY_NAMESPACE", "SERVE_GATEWAY", "SEEDCORE_TOKEN"]) vi.stubEnv(name, undefined);
  vi.stubEnv("SEEDCORE_HOME", home);
  vi.stubEnv("SEEDCORE_NS", namespace);
  vi.stubEnv("RAY_TMPDIR", home);
  vi.stubEnv("RAY_AUTH_TOKEN", cluster.token);
});
const open: Connection[] = [];
afterEach(async () => {
  for (const connection of open.splice(0)) await connection.close();
  vi.unstubAllEnvs();
});

async function opened(...args: Parameters<typeof connect>): Promise<Connection> {
  const connection = await connect(...args);
  open.push(connection);
  return connection;
}
const works = async (connection: Connection) => {
  const { namespace: told } = await connection.getServiceClient("telemetry").status({});
  expect(told).toBe(namespace);
};

/** Sessions of the client protocol: each is a process on the head. */
function sessions(): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return commandLine.includes("specific-server") && commandLine.includes(cluster.gcsAddress);
    } catch {
      return false;
    }
  });
}

// In Python the second ray.init() of a process fails.
it("twice, at once and from two modules, it is one connection, and needs no session with the head", async () => {
  const before = sessions();
  vi.stubEnv("RAY_ADDRESS", cluster.address);
  const { connect: another } = await import("../../src/index.ts");
  const [first, second, third] = await Promise.all([opened(), another(), connect({ address: cluster.address })]);
  expect(second).toBe(first);
  expect(third).toBe(first);
  expect(await connect()).toBe(first);
  await works(first);
  expect(sessions().filter((pid) => !before.includes(pid))).toEqual([]);
});

it("the example of docs/ray.md runs as it stands, from the package that is built", async () => {
  const root = join(import.meta.dirname, "../..");
  const [, example = ""] = /```ts\n([^`]+)```/.exec(readFileSync(join(root, "docs/ray.md"), "utf8")) ?? [];
  mkdirSync(join(home, "node_modules"));
  symlinkSync(root, join(home, "node_modules/seedcore"));
  writeFileSync(join(home, "package.json"), '{ "type": "module" }');
  writeFileSync(join(home, "example.ts"), example);
  const env = organism.environment;
  const { stdout } = await promisify(execFile)(process.execPath, ["example.ts"], { cwd: home, env });
  expect(stdout).toMatch(/^5\n1 5 \d+ \{[^}]*CPU[^]*\}\n2\n$/);
});

// What a program outside of this package can do with the cluster.
it("gives objects, tasks and actors of the cluster, over one session that the first use opens", async () => {
  const { connect: connectFromOutside, isPythonException } = await import("../../src/index.ts");
  const before = sessions();
  const fresh = () => sessions().filter((pid) => !before.includes(pid));
  const connection = await connectFromOutside({ address: cluster.address });
  open.push(connection);
  const { ray } = connection;
  expect(fresh()).toEqual([]);

  const hypot = ray.task<(x: number, y: number) => number>("math:hypot");
  const [three, length, nodes] = await Promise.all([ray.put(3), hypot.call([3, 4]), ray.nodes()]);
  expect(length).toBe(5);
  expect(await hypot.call([three, 4])).toBe(5);
  expect(nodes.filter(({ alive }) => alive)).toHaveLength(2);
  expect((await ray.resources()).total["CPU"]).toBeGreaterThan(0);
  expect(fresh()).toHaveLength(1);

  const sleep = ray.task<(seconds: number) => null>("time:sleep", { maxRetries: 0 });
  const [quick, slow] = [await sleep.start([0]), await sleep.start([600])];
  const { ready, pending } = await ray.wait([quick, slow], { timeoutMs: 60_000 });
  expect([ready, pending]).toEqual([[quick], [slow]]);
  await ray.cancel(slow, { force: true });
  await expect(ray.get(slow)).rejects.toMatchObject({ code: "CANCELLED" });

  const divide = ray.task<(a: number, b: number) => number>("operator:truediv");
  const error: unknown = await divide.call([1, 0]).catch((reason: unknown) => reason);
  expect(isPythonException(error) && error.data.exception).toBe("builtins.ZeroDivisionError");

  interface Counter {
    update(words: readonly string[]): null;
    total(): number;
  }
  const options = { name: "words", lifetime: "detached", getIfExists: true, numCpus: 0 } as const;
  const words = await ray.actor<Counter>("collections:Counter", options).create([]);
  await words.call("update", [["a", "b"]]);
  const found = await ray.getActor<Counter>("words");
  expect(await found.call("total", [])).toBe(2);
  await found.kill();
  await expect(ray.getActor("words")).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(fresh()).toHaveLength(1);
});

// Its process on the head takes 100 MB there, and nobody else would end it.
it("leaves no process of its session on the head once it is closed", async () => {
  const before = sessions();
  const fresh = () => sessions().filter((pid) => !before.includes(pid));
  const connection = await connect({ address: cluster.address });
  await connection.ray.nodes();
  expect(fresh()).toHaveLength(1);
  await connection.close();
  // It waits half a minute for another client.
  await vi.waitFor(() => expect(fresh()).toEqual([]), { timeout: 90_000, interval: 200 });
});

it("to another target while connected is refused, and names both", async () => {
  await opened({ address: cluster.address });
  const error = await connect({ address: "ray://elsewhere" }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "CONFLICT", started: "no" });
  expect(String(error)).toContain(cluster.address);
  expect(String(error)).toContain("ray://elsewhere:10001");
});

it("after it was closed another can be opened", async () => {
  const first = await connect({ address: cluster.address });
  await first.close();
  const second = await opened({ address: cluster.address });
  expect(second).not.toBe(first);
  await works(second);
});

it("through a gateway that SERVE_GATEWAY names, whatever RAY_ADDRESS says", async () => {
  const { url, urlWithToken } = await organism.json<{ url: string; urlWithToken: string }>("up");
  vi.stubEnv("RAY_ADDRESS", "ray://elsewhere");
  vi.stubEnv("SERVE_GATEWAY", url);
  vi.stubEnv("SEEDCORE_TOKEN", urlWithToken.split("#token=")[1]);
  const connection = await opened();
  expect(connection.target).toBe(`the gateway ${url}`);
  await works(connection);
});

it("auto, or nothing said, is the Ray on this machine", async () => {
  const { hostname, port } = new URL(cluster.address);
  // A Ray of this machine has its client server on the usual port.
  const usual = createServer((socket) => {
    const onward = openSocket(Number(port), hostname);
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on("error", () => void [socket.destroy(), onward.destroy()]);
  });
  const address = "127.0.9.1";
  await new Promise<void>((resolve) => usual.listen(10_001, address, resolve));
  mkdirSync(join(home, "ray"));
  writeFileSync(join(home, "ray", "ray_current_cluster"), `${address}:6379`);
  try {
    for (const said of ["auto", undefined]) {
      vi.stubEnv("RAY_ADDRESS", said);
      await using connection = await connect();
      expect(connection.target).toContain(`ray://${address}:10001`);
      await works(connection);
    }
  } finally {
    rmSync(join(home, "ray"), { recursive: true });
    usual.close();
  }
});

it("where nothing is, each way says so and what to do, without waiting long", async () => {
  const told = async (said: string | undefined) => {
    vi.stubEnv("RAY_ADDRESS", said);
    const error = await connect().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "UNAVAILABLE", started: "no" });
    return String(error);
  };
  expect(await told(undefined)).toContain("seedcore up");
  expect(await told("auto")).toContain("ray start --head");
  const nobody = new URL(cluster.address);
  nobody.port = "9";
  expect(await told(nobody.href)).toMatch(/:9\b/);
  vi.stubEnv("SEEDCORE_NS", "nobody");
  expect(await told(cluster.address)).toContain('No organism "nobody" is up');
});

it("with a wrong token it is UNAUTHENTICATED", async () => {
  vi.stubEnv("RAY_AUTH_TOKEN", "0".repeat(64));
  const error = await connect({ address: cluster.address }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "UNAUTHENTICATED" });
});

it("after every gateway and every replica was replaced, the connection of before goes on", async () => {
  const connection = await opened({ address: cluster.address });
  const ml = connection.getServiceClient("ml");
  const readyPids = async () => {
    const { hosts } = await connection.getServiceClient("telemetry").status({});
    return hosts.flatMap(({ replicas }) => replicas.flatMap(({ state, pid }) => (state === "ready" ? [pid ?? 0] : [])));
  };
  await ml.status({});
  const before = await readyPids();
  // Eight hosts, and a gateway on each node.
  expect(before).toHaveLength(8 + cluster.nodes.length);
  for (const pid of before) process.kill(pid, "SIGKILL");
  await vi.waitFor(
    async () => {
      const now = await readyPids();
      expect(now).toHaveLength(before.length);
      expect(now.filter((pid) => before.includes(pid))).toEqual([]);
      await ml.status({});
    },
    { timeout: 120_000, interval: 500 },
  );
  expect(before.filter(isAlive)).toEqual([]);
});
