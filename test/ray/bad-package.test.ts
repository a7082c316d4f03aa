/** Code that Ray does not have, or cannot unpack: what is told of it, and that the version before it serves on. */
import { randomBytes } from "node:crypto";
import { afterAll, expect, inject, it, vi } from "vitest";
import { z } from "zod";
import { systemClock } from "#core/clock.ts";
import { createRayRest } from "#runtime/ray/rest/transport.ts";
import { callToy } from "../engine/toy.ts";
import { createToyEngines } from "./toy-engine.ts";

const cluster = inject("ray");
const toys = await createToyEngines(cluster);
const rest = createRayRest({ url: cluster.dashboardUrl, token: () => cluster.token, clock: systemClock });
afterAll(async () => {
  await rest.close();
  await toys.close();
});

const newName = () => `_ray_pkg_${randomBytes(20).toString("hex")}.zip`;

async function corrupt(): Promise<string> {
  const name = newName();
  const body = Buffer.from("this is no archive");
  await rest.call({ method: "PUT", path: `/api/packages/gcs/${name}`, body, schema: z.unknown() });
  return name;
}

// Ray forgets a package ten minutes after its last user; a disk or a proxy may spoil one.
it.each([
  ["missing", async () => newName(), /the cluster no longer has its code/],
  [
    "corrupt",
    corrupt,
    /because its package gcs:\/\/_ray_pkg_\w+\.zip is damaged on the cluster \(File is not a zip file\)/,
  ],
] as const)("a %s package is told in one line, and the version before it serves on", async (_what, make, line) => {
  const engine = await toys.create();
  await engine.deploy(toys.spec);
  await engine.settled(90_000);
  const before = engine.topology.current().replicas;
  expect(before).toHaveLength(1);

  await engine.deploy({ ...toys.spec, package: `gcs://${await make()}` });
  const isTold = async () => expect(String(await engine.settled(1_000).catch((error: unknown) => error))).toMatch(line);
  await vi.waitFor(isTold, { timeout: 40_000, interval: 500 });
  expect(engine.topology.current().replicas).toEqual(before);
  for (const replica of before) await callToy(replica);
  await engine.stop();
});
