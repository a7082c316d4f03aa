/** A Ray cluster on which Serve does not run: it never has, or somebody has shut it down under an organism. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { z } from "zod";
import type { Finding } from "#app/cli/diagnose.ts";
import { systemClock } from "#core/clock.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { readServe } from "#runtime/ray/rest/serve-details.ts";
import { createRayRest, type RayRest } from "#runtime/ray/rest/transport.ts";
import { startCluster, type ThrowAwayCluster } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";
import { RayOrganism, type Started } from "./ray-organism.ts";
import { it } from "./with-postgres.ts";

let cluster: ThrowAwayCluster;
let rest: RayRest;
let organism: RayOrganism;
beforeAll(async () => {
  cluster = await startCluster({ serve: false });
  rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
  organism = await RayOrganism.create(cluster, "bare");
});
afterAll(async () => {
  await organism.destroy();
  await rest.close();
  await cluster.stop();
});

/** How long after `up` somebody starts the head. */
const LATE_MS = 20_000;

/** As `serve shutdown -y`. */
async function shutServeDown(): Promise<void> {
  await rest.call({ method: "DELETE", path: "/api/serve/applications/", schema: z.unknown(), timeoutMs: 60_000 });
  // Serve answers after 30 s at the latest, gone or not.
  const isGone = async () => expect((await readServe(rest)).applications).toEqual({});
  await vi.waitFor(isGone, { timeout: 60_000, interval: 500 });
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with another.
  }
}

async function keysLeft(): Promise<readonly string[]> {
  await using ray = createRay({ endpoint: endpointOf(cluster), namespace: "bare" }, { clock: systemClock });
  return await ray.store.list("seedcore/");
}

/** What `doctor` finds of Ray and of the organism there, by name. */
async function found(): Promise<Readonly<Record<string, Finding | undefined>>> {
  const { findings } = await organism.json<{ findings: readonly Finding[] }>("doctor");
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

it("status, down and doctor say that nothing is up, and start no Serve", async () => {
  for (const command of ["status", "down"]) {
    const { code, stderr } = await organism.run(command);
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('No organism "bare" is up');
  }
  const { ray, organism: none, ...others } = await found();
  expect([ray?.state, ray?.text]).toEqual(["ok", expect.stringContaining(`at ${cluster.address}`)]);
  expect(others["ray token"]).toMatchObject({ state: "ok" });
  expect(others["ray nodes"]).toMatchObject({ state: "ok", text: `1 node is alive: ${cluster.nodes.join()}` });
  expect(others["ray session"]?.text).toMatch(/^A session opened at /);
  expect(none).toMatchObject({ state: "note", text: '"bare" is not up there.' });
  // Of this machine it said that no organism runs, and of the cluster that one is up.
  expect(Object.keys(others)).not.toContain("run file");
  expect((await readServe(rest)).controller_info).toEqual({});
});

// Who starts both together cannot tell which is there first: a head takes many seconds.
it("up waits for a head that comes late, and starts Serve", async () => {
  for (const { pid } of cluster.processes()) killIfThere(pid);
  const up = organism.start("up", "--json");
  await up.untilSaid(`No Ray answers at ${cluster.address} yet; it is waited for`);
  await sleep(LATE_MS);
  await cluster.startHead();
  const begun = await up.ended;
  expect(begun.code, begun.stderr).toBe(0);
  const { replicas, url } = JSON.parse(begun.stdout) as Started;
  expect(replicas).toHaveLength(9);
  expect((await found())["organism"]).toMatchObject({ state: "ok", text: `"bare" is up, its gateways: ${url}` });
});

// Serve takes every replica with it, the engine's too: nothing is left to put them back, and no gateway to ask.
it("when Serve is shut down, status says so, up brings all back and down takes off what is left", async () => {
  await shutServeDown();
  const { code, stderr } = await organism.run("status");
  expect(code, stderr).toBe(3);
  expect(stderr).toContain('No organism "bare" is up');

  expect((await organism.up()).replicas).toHaveLength(9);
  expect((await organism.run("status")).code).toBe(0);
  await shutServeDown();
  const down = await organism.run("down");
  expect(down.code, down.stderr).toBe(0);
  expect(await keysLeft()).toEqual([]);
  expect((await organism.run("down")).code).toBe(3);
});
