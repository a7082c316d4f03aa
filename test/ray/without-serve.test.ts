/** A Ray cluster on which Serve does not run: it never has, or somebody has shut it down under an organism. */
import { afterAll, beforeAll, expect } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { readServe } from "#runtime/ray/rest/serve-details.ts";
import { createRayRest, type RayRest } from "#runtime/ray/rest/transport.ts";
import { startCluster, type ThrowAwayCluster } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";
import { RayOrganism } from "./ray-organism.ts";
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

/** As `serve shutdown -y`. */
async function shutServeDown(): Promise<void> {
  await rest.call({ method: "DELETE", path: "/api/serve/applications/", schema: z.unknown(), timeoutMs: 60_000 });
  expect((await readServe(rest)).applications).toEqual({});
}

async function keysLeft(): Promise<readonly string[]> {
  await using ray = createRay({ endpoint: endpointOf(cluster), namespace: "bare" }, { clock: systemClock });
  return await ray.store.list("seedcore/");
}

it("status and down say that nothing is up, and start no Serve", async () => {
  for (const command of ["status", "down"]) {
    const { code, stderr } = await organism.run(command);
    expect(code, stderr).toBe(3);
    expect(stderr).toContain('No organism "bare" is up');
  }
  expect((await readServe(rest)).controller_info).toEqual({});
});

// Serve takes every replica with it, the engine's too: nothing is left to put them back, and no gateway to ask.
it("up starts Serve; when it is shut down, status says so, up brings all back and down takes off what is left", async () => {
  expect((await organism.up()).replicas).toHaveLength(9);
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
