/** `rollout` against a real organism on this machine: another build takes over ml, or is taken back. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestOrganism } from "../app/organism.ts";

const dist = join(import.meta.dirname, "..", "..", "dist");
let organism: TestOrganism;
let place: string;
beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "seedcore-builds-"));
  organism = await TestOrganism.create();
  await organism.up();
  cpSync(dist, join(place, "next"), { recursive: true });
});
afterAll(async () => {
  await organism.destroy();
  rmSync(place, { recursive: true, force: true });
});

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr } = await organism.run(...args, "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** Asks the gateway: many calls need no process each. */
async function ask<T>(path: string, body?: unknown): Promise<T> {
  const answer = await fetch(`${organism.runFile().gatewayUrl}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${organism.token()}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text) as T;
}

interface Ml {
  readonly spec: { readonly version: string; readonly package: string };
  readonly replicas: readonly { readonly pid: number; readonly version: string; readonly state: string }[];
}
async function ml(): Promise<Ml | undefined> {
  const { hosts } = await json<{ hosts: ({ name: string } & Ml)[] }>("status");
  return hosts.find(({ name }) => name === "ml");
}

it("says how far it is, refuses what cannot be, and takes nothing back that does not go on", async () => {
  expect(await json("rollout", "ml", "--status")).toEqual({ rollout: null });
  expect(await json("rollout", "ml", "--abort")).toEqual({ aborted: false, rollout: null });
  for (const args of [
    ["ml"],
    ["ml", "--to", "v2", "--abort"],
    ["ml", "--to", "v2", "--steps", "5,x"],
    ["ml", "--to", "v2", "--steps", "50,25"],
    ["ml", "--to", "v2", "--steps", "5,25"],
    ["ml", "--to", "v2", "--every", "soon"],
    ["ml", "--to", "v2", "--every", "0s"],
    ["ml", "--to", "v 2"],
    ["ml", "--to", "v2", "--from", place],
  ]) {
    expect((await organism.run("rollout", ...args)).code, args.join(" ")).toBe(2);
  }
  for (const args of [
    ["lm", "--to", "v2"],
    ["gateway", "--to", "v2"],
  ]) {
    expect((await organism.run("rollout", ...args)).code, args.join(" ")).toBe(1);
  }
});

// The new version reads what the old one stored, and the old one's shards move to it whole.
it("another build takes over step by step, with the series it finds", async () => {
  const points = Array.from({ length: 50 }, (_, i) => [1_700_000_000_000 + i * 1_000, i]);
  await json("call", "ml.ingest", JSON.stringify({ source: "shop", series: [{ name: "orders", points }] }));
  const seriesOf = () => json<unknown>("call", "ml.points", '{"source":"shop","series":"orders"}');
  const before = await seriesOf();
  const folder = join(place, "next");
  const { code, stdout, stderr } = await organism.run(
    "rollout",
    "ml",
    "--to",
    "v2",
    "--from",
    folder,
    "--steps",
    "50,100",
    "--every",
    "1s",
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/v2 starts beside .*\n.* 50 % .*\n.*all of the calls go to v2.*\n.*v2 has all of the calls/);
  const status = await json<{ rollout: unknown }>("rollout", "ml", "--status");
  expect(status.rollout).toMatchObject({ host: "ml", to: "v2", state: "finished", percent: 100 });
  const serving = (await ml())?.replicas.filter(({ state }) => state === "ready") ?? [];
  expect(serving.map(({ version }) => version)).toEqual(["v2"]);
  expect(readFileSync(`/proc/${serving[0]?.pid}/cmdline`, "utf8")).toContain(folder);
  expect(await seriesOf()).toEqual(before);
});

// The new version has written while it owned half of the shards: the old one must be able to go on from there.
it("a rollout that is aborted half-way leaves every point, whoever wrote it", async () => {
  const sources = Array.from({ length: 12 }, (_, i) => `source-${i}`);
  const ingest = (second: number) =>
    Promise.all(
      sources.map((source) => {
        const series = [{ name: "s", points: [[1_700_000_000_000 + second * 1_000, second]] }];
        return ask<{ accepted: number }>(`/ml/sources/${source}/points`, { series });
      }),
    );
  const accepted = (answers: readonly { accepted: number }[]) => answers.map((answer) => answer.accepted);
  const all = sources.map(() => 1);
  expect(accepted(await ingest(0))).toEqual(all);
  const plan = { host: "ml", version: "half", package: join(place, "next"), steps: [50, 100], everyMs: 600_000 };
  await json("call", "telemetry.startRollout", JSON.stringify(plan));
  type Status = { rollout: { percent: number; next: { calls: number } } };
  const status = async () => (await json<Status>("rollout", "ml", "--status")).rollout;
  await expect.poll(async () => (await status()).percent, { timeout: 30_000 }).toBe(50);
  // Two replicas of ml are ready: nobody could tell which is which, or that calls go to both.
  const { stdout } = await organism.run("status");
  expect(stdout).toMatch(/^HOST .* VERSION .*[^]*^ml .* v2 .*\n .* half /m);
  expect(stdout).toContain("ml: 50 % of the calls go to half, the rest to v2");
  expect(accepted(await ingest(1))).toEqual(all);
  await expect.poll(async () => (await status()).next.calls, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(await json("rollout", "ml", "--abort")).toMatchObject({ aborted: true, rollout: { state: "returned" } });
  expect(accepted(await ingest(2))).toEqual(all);
  for (const source of sources) {
    const { points } = await ask<{ points: number[][] }>(`/ml/sources/${source}/series/s/points`);
    expect(points.map(([, value]) => value)).toEqual([0, 1, 2]);
  }
});

it("a build that does not start is taken back, and says why; the present one stays", async () => {
  const before = await ml();
  const folder = join(place, "broken");
  mkdirSync(folder);
  writeFileSync(join(folder, "host.js"), "process.exit(7);");
  writeFileSync(join(folder, "manifest.json"), '{"files":["host.js"]}');
  const { code, stdout } = await organism.run("rollout", "ml", "--to", "v3", "--from", folder);
  expect(code).toBe(1);
  expect(stdout).toContain("v3 was taken back, and v2 has all of the calls: it exited with code 7");
  const after = await ml();
  expect(after?.spec).toEqual(before?.spec);
  expect(after?.replicas.map(({ pid }) => pid)).toContain(before?.replicas[0]?.pid);
});

// A configuration that is saved must not undo a rollout; a start from another build does.
it("a change of the configuration keeps the version; the next start brings its own", async () => {
  writeFileSync(join(organism.directory, "seedcore.json"), '{"hosts":{"ml":{"memoryMb":600}}}');
  await expect
    .poll(async () => (await ml())?.spec, { timeout: 20_000 })
    .toMatchObject({ version: "v2", memoryMb: 600 });
  await organism.run("down");
  await organism.up();
  expect((await ml())?.spec).toMatchObject({ package: "", memoryMb: 600 });
});

// The supervisor takes the steps: whoever started the rollout, and the supervisor itself, may go in the middle.
it("goes on where it was when the organism was killed and started again", async () => {
  const plan = { host: "ml", version: "v4", package: join(place, "next"), steps: [50, 100], everyMs: 600_000 };
  await json("call", "telemetry.startRollout", JSON.stringify(plan));
  type Status = { rollout: { state: string; percent: number; startedAtMs: number } };
  const status = async () => (await json<Status>("rollout", "ml", "--status")).rollout;
  await expect.poll(async () => (await status()).percent, { timeout: 30_000 }).toBe(50);
  const { startedAtMs } = await status();
  process.kill(organism.runFile().pid, "SIGKILL");
  await expect.poll(async () => (await organism.run("status")).code, { timeout: 20_000 }).toBe(3);
  await organism.up();
  const replicas = async () => (await ml())?.replicas.map(({ version, state }) => `${version} ${state}`).sort();
  await expect.poll(replicas, { timeout: 30_000 }).toEqual(["0.1.0 ready", "v4 ready"]);
  expect(await status()).toMatchObject({ state: "step", percent: 50, startedAtMs });
  expect(await json("rollout", "ml", "--abort")).toMatchObject({ aborted: true });
  await expect.poll(replicas, { timeout: 30_000 }).toEqual(["0.1.0 ready"]);
});
