/**
 * What is new on a real two-node cluster: a person's own service, with the Python model that it asks (examples/python-model
 * as it is), and another build of a host, by steps.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, vi } from "vitest";
import type { ClusterInfo, HostInfo } from "#contracts/telemetry.ts";
import { RayOrganism } from "./ray-organism.ts";
import { it as test } from "./with-postgres.ts";

const example = join(import.meta.dirname, "..", "..", "examples", "python-model");
const cluster = inject("ray");
const folder = mkdtempSync(join(tmpdir(), "seedcore-own-"));
const serviceFile = join(folder, "service.ts");
const dist = join(import.meta.dirname, "..", "..", "dist");
let organism: RayOrganism;
let gateway: URL;

interface Judged {
  readonly judged: readonly { readonly label: string; readonly probability: number }[];
  readonly goodShare: number;
}

beforeAll(async () => {
  cpSync(example, folder, { recursive: true });
  organism = await RayOrganism.create(cluster, "own", { hosts: { ml: { replicas: 2 } } });
  await python(join(example, "sentiment_model.py"));
  gateway = new URL((await organism.up()).urlWithToken);
});
afterAll(async () => {
  await organism.run("down");
  await python("-c", 'from ray import serve; serve.delete("sentiment")');
  await organism.destroy();
  rmSync(folder, { recursive: true, force: true });
});

test("a service asks the model, and a changed one takes its place", async () => {
  const first = await organism.json<{ replicas: { node: string; pid: number }[] }>("deploy", folder);
  expect(first).toMatchObject({ host: "reviews", service: "reviews", changed: true, generation: 1 });
  expect(cluster.nodes).toContain(first.replicas[0]?.node);
  const { judged, goodShare } = await judge("The food was great, and very fresh", "Rude and slow");
  expect(judged.map(({ label }) => label)).toEqual(["good", "bad"]);
  expect(goodShare).toBe(0.5);
  const { accuracy } = await organism.json<{ accuracy: number }>("call", "reviews.accuracy");
  expect(accuracy).toBeGreaterThan(0.9);

  changeService();
  expect(await organism.json("deploy", folder)).toMatchObject({ changed: true, generation: 2 });
  expect(await judge("great", "perfect", "awful")).toMatchObject({ goodShare: 2 });
  expect(await organism.json("call", "reviews.inside")).toEqual({
    target: 'the organism "own" as one of its hosts',
    said: '{"SERVE_GATEWAY":"http://127.0.0.1:9"}',
    namespace: "own",
    tool: "it runs",
    native: "p{color:red}",
  });

  // The cluster still has the package of the first.
  expect(await organism.json("rollback", "reviews")).toMatchObject({ generation: 3 });
  await vi.waitFor(async () => expect(await judge("great", "perfect", "awful")).toMatchObject({ goodShare: 2 / 3 }), {
    timeout: 60_000,
    interval: 500,
  });
});

test.each([
  ["throws", 'throw new Error("no licence")'],
  ["exits", '{ console.error("no licence"); process.exit(3); }'],
])("one that %s when it starts is not deployed, and the version before it serves on", async (_how, what) => {
  const good = readFileSync(serviceFile, "utf8");
  writeFileSync(
    serviceFile,
    good.replace("return implement(", `if (context.namespace !== "") ${what};\n  return implement(`),
  );
  const { code: exitCode, stderr } = await organism.run("deploy", folder, "--json");
  expect(exitCode).toBe(1);
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  expect(error.code).toBe("DEPLOY_FAILED");
  expect(error.message).toContain("no licence");
  expect(await judge("great")).toMatchObject({ goodShare: 1 });
  writeFileSync(serviceFile, good);
});

// Its replica starts, listens for nobody and says nothing: the cluster alone would wait for it for ever.
test("one that never gets ready is given up in time, and the version before it serves on", async () => {
  const good = readFileSync(serviceFile, "utf8");
  writeFileSync(
    serviceFile,
    good
      .replace("(context) => {", "async (context) => {")
      .replace(
        "return implement(",
        'console.log("waiting for the licence server");\n  await new Promise(() => {});\n  return implement(',
      ),
  );
  const { code: exitCode, stderr } = await organism.run("deploy", folder, "--timeout", "30s", "--json");
  expect(exitCode).toBe(1);
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  expect(error.code).toBe("DEPLOY_FAILED");
  expect(error.message).toContain(
    'it was not ready after 30 s: reviews is being created; it said "waiting for the licence server". The version before it serves on.',
  );
  expect(await judge("great")).toMatchObject({ goodShare: 1 });
  writeFileSync(serviceFile, good);
});

// What no test of a toy shows: builds that are sent, the command's words, calls that go on, and Serve's route.
test("another build of ml takes over by steps, two replicas of each on one database, without a failed call; one that errs is taken back", async () => {
  const next = join(folder, "next");
  const bad = join(folder, "bad");
  for (const build of [next, bad]) cpSync(dist, build, { recursive: true });
  breakPoints(bad);
  // So many that each of four replicas has some.
  const sources = Array.from({ length: 40 }, (_, i) => `source-${i}`);
  for (const source of sources) await write(source, 0);
  using load = startLoad(sources);
  const rollOut = (version: string, build: string, every: string) =>
    organism.run("rollout", "ml", "--to", version, "--from", build, "--steps", "50,100", "--every", every);

  const rolling = rollOut("v2", next, "4s");
  await vi.waitFor(async () => expect((await ml()).rollout).toMatchObject({ state: "step", percent: 50 }), {
    timeout: 60_000,
    interval: 200,
  });
  // The step is read from the database; of the replicas, hosts are told a moment later.
  await vi.waitFor(async () => {
    const both = (await ml()).replicas.filter(({ state }) => state === "ready").map(({ version }) => version);
    expect(both.toSorted()).toEqual([expect.stringMatching(/^0/), expect.stringMatching(/^0/), "v2", "v2"]);
  }, 3_000);
  const ids = (await ml()).replicas.map(({ id }) => id);
  await vi.waitFor(async () => {
    // A source is its owner's alone, whoever asks, and each of the four owns some.
    const owners = await Promise.all(sources.map(async (source) => (await points(source)).replica));
    expect(new Set(owners)).toEqual(new Set(ids));
    expect(await Promise.all(sources.map(async (source) => (await points(source)).replica))).toEqual(owners);
  }, 3_000);
  // It is the old version's still, which no longer owns every shard.
  for (const source of sources) expect(await overServe(source)).toBe(200);
  const finished = await rolling;
  expect(finished).toMatchObject({ code: 0 });
  expect(finished.stdout).toMatch(
    /v2 starts beside .*\n.* 50 % .*\n.*all of the calls go to v2.*\n.*v2 has all of the calls/,
  );
  await vi.waitFor(
    async () => {
      expect((await ml()).replicas.map(({ version }) => version)).toEqual(["v2", "v2"]);
      expect(await routes()).toEqual([expect.stringContaining("own.ml@v2.")]);
    },
    { timeout: 60_000, interval: 500 },
  );
  expect(await overServe("source-0")).toBe(200);
  expect(load.failed).toEqual([]);
  // What two versions wrote by turns is there once each.
  for (const source of sources) {
    const written = load.written.get(source) ?? 1;
    const there = (await points(source)).points.map(([atMs]) => atMs - FIRST_MS);
    // One may be under way.
    expect(there.slice(0, written)).toEqual(Array.from({ length: written }, (_, i) => i * 1_000));
    expect(there.length).toBeLessThanOrEqual(written + 1);
  }

  const { code: exitCode, stdout, stderr } = await rollOut("v3", bad, "30s");
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/ml: v3 was taken back, and v2 has all of the calls: \d+ of \d+ calls \(/);
  expect(stderr).toContain("Ray's dashboard");
  expect(new Set(load.failed)).toEqual(new Set(["INTERNAL"]));
  await vi.waitFor(async () => expect((await ml()).replicas.map(({ version }) => version)).toEqual(["v2", "v2"]), {
    timeout: 60_000,
    interval: 500,
  });
  expect(await routes()).toEqual([expect.stringContaining("own.ml@v2.")]);
});

test("one that was removed is gone, and its procedures with it", async () => {
  expect(await organism.json("deploy", "--remove", "reviews")).toEqual({ host: "reviews", removed: true });
  const { code, stderr } = await organism.run("call", "reviews.accuracy", "--json");
  expect(code).toBe(2);
  expect(stderr).toContain("There is no procedure");
});

/** Another judge; and one more procedure, with a tool that comes along and a connection, whatever the environment says. */
function changeService(): void {
  mkdirSync(join(folder, "bin"));
  writeFileSync(join(folder, "bin", "tool"), "#!/bin/sh\necho it runs\n", { mode: 0o755 });
  // Native code, in a package of its own for each platform.
  const installed = join(import.meta.dirname, "..", "..", "node_modules");
  const parts = readdirSync(installed).filter((name) => /^(lightningcss|detect-libc)/.test(name));
  for (const name of parts) cpSync(join(installed, name), join(folder, "node_modules", name), { recursive: true });
  const env = { SERVE_GATEWAY: "http://127.0.0.1:9" };
  writeFileSync(join(folder, "seedcore.json"), JSON.stringify({ files: ["bin"], env }));
  const changed = readFileSync(serviceFile, "utf8")
    .replace("goodShare: good / answers.length", "goodShare: good")
    .replace(
      "import { defineContract,",
      'import { execFileSync } from "node:child_process";\nimport { transform } from "lightningcss";\nimport { connect, defineContract,',
    )
    .replace(
      "    judge: procedure({",
      `    inside: procedure({
        summary: "What a host sees.", method: "GET", path: "/inside", input: z.object({}), output: z.record(z.string(), z.string()),
      }),
    judge: procedure({`,
    )
    .replace(
      "    async judge(",
      `    async inside() {
        const connection = await connect();
        const { namespace } = await connection.getServiceClient("telemetry").status({});
        const { SERVE_GATEWAY } = process.env;
        const tool = execFileSync(new URL("./bin/tool", import.meta.url).pathname, { encoding: "utf8" }).trim();
        const { code } = transform({ filename: "", code: Buffer.from("p { color: #ff0000 }"), minify: true });
        return { target: connection.target, said: JSON.stringify({ SERVE_GATEWAY }), namespace, tool, native: String(code) };
      },
    async judge(`,
    );
  writeFileSync(serviceFile, changed);
}

const judge = (...texts: string[]) => organism.json<Judged>("call", "reviews.judge", JSON.stringify({ texts }));

/** A build whose `ml.points` throws; a folder that was built twice has it in two files. */
function breakPoints(build: string): void {
  const handler = /async points\(\{ source, [^)]*\) \{/;
  const files = readdirSync(build)
    .filter((file) => file.endsWith(".js"))
    .map((name) => ({ path: join(build, name), code: readFileSync(join(build, name), "utf8") }))
    .filter(({ code }) => handler.test(code));
  expect(files).not.toEqual([]);
  for (const { path, code } of files) {
    writeFileSync(path, code.replace(handler, '$& throw new Error("broken on purpose");'));
  }
}

const FIRST_MS = 1_700_000_000_000;

/** The n-th point of a source. */
async function write(source: string, n: number): Promise<void> {
  await ask(`/ml/sources/${source}/points`, { series: [{ name: "s", points: [[FIRST_MS + n * 1_000, n % 7]] }] });
}

interface Points {
  readonly points: readonly (readonly [number, number, number])[];
}
async function points(source: string): Promise<Points & { readonly replica: string }> {
  let replica = "";
  const found = await ask<Points>(`/ml/sources/${source}/series/s/points`, undefined, (answer) => {
    replica = answer.headers.get("x-seedcore-replica") ?? "";
  });
  return { ...found, replica };
}

/** Asks a gateway: many calls need no process each. */
async function ask<T>(path: string, body?: unknown, look: (answer: Response) => void = () => {}): Promise<T> {
  const answer = await fetch(new URL(path, gateway), {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${gateway.hash.slice("#token=".length)}`, "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  look(answer);
  const text = await answer.text();
  if (!answer.ok) throw new Error((JSON.parse(text) as { code: string }).code);
  return JSON.parse(text) as T;
}

interface RunningLoad extends Disposable {
  readonly failed: readonly string[];
  /** Points of each source that were acknowledged. */
  readonly written: ReadonlyMap<string, number>;
}

/** Reads, and writes beside them, one call after the other, until it is disposed of. */
function startLoad(sources: readonly string[]): RunningLoad {
  const failed: string[] = [];
  const written = new Map<string, number>();
  let stopped = false;
  const always = async (call: (source: string) => Promise<unknown>) => {
    for (let i = 0; !stopped; i++) {
      await call(sources[i % sources.length] ?? "").catch((error: Error) => failed.push(error.message));
      await sleep(10);
    }
  };
  void always(points);
  void always(async (source) => {
    const n = written.get(source) ?? 1;
    await write(source, n);
    written.set(source, n + 1);
  });
  return { failed, written, [Symbol.dispose]: () => void (stopped = true) };
}

const status = () => ask<{ hosts: HostInfo[]; cluster: ClusterInfo }>("/telemetry/status");
async function ml(): Promise<HostInfo> {
  const found = (await status()).hosts.find(({ name }) => name === "ml");
  if (found === undefined) throw new Error("There is no ml.");
  return found;
}
/** Applications that Serve's proxies reach as ml. */
const routes = async () =>
  (await status()).cluster.applications.filter(({ route }) => route === "/own/ml").map(({ name }) => name);

async function overServe(source: string): Promise<number> {
  const answer = await fetch(`${cluster.serveUrl}/own/ml/sources/${source}/series/s/points`, {
    headers: { authorization: `Bearer ${gateway.hash.slice("#token=".length)}` },
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** With the cluster's Python, as on one of its machines. */
async function python(...args: string[]): Promise<void> {
  await promisify(execFile)(cluster.python, args, {
    env: {
      PATH: process.env["PATH"],
      RAY_ADDRESS: cluster.gcsAddress,
      RAY_AUTH_MODE: "token",
      RAY_AUTH_TOKEN: cluster.token,
      RAY_USAGE_STATS_ENABLED: "0",
    },
  });
}
