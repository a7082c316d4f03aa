/** A person's own service on a real two-node cluster, with the Python model that it asks: examples/python-model as it is. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { RayOrganism } from "./ray-organism.ts";

const example = join(import.meta.dirname, "..", "..", "examples", "python-model");
const cluster = inject("ray");
const folder = mkdtempSync(join(tmpdir(), "seedcore-own-"));
const serviceFile = join(folder, "service.ts");
let organism: RayOrganism;

interface Judged {
  readonly judged: readonly { readonly label: string; readonly probability: number }[];
  readonly goodShare: number;
}

beforeAll(async () => {
  cpSync(example, folder, { recursive: true });
  organism = await RayOrganism.create(cluster, "own");
  await python(join(example, "sentiment_model.py"));
  await organism.up();
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

  const code = readFileSync(serviceFile, "utf8");
  writeFileSync(serviceFile, code.replace("goodShare: good / answers.length", "goodShare: good"));
  expect(await organism.json("deploy", folder)).toMatchObject({ changed: true, generation: 2 });
  expect(await judge("great", "perfect", "awful")).toMatchObject({ goodShare: 2 });
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

test("one that was removed is gone, and its procedures with it", async () => {
  expect(await organism.json("deploy", "--remove", "reviews")).toEqual({ host: "reviews", removed: true });
  const { code, stderr } = await organism.run("call", "reviews.accuracy", "--json");
  expect(code).toBe(2);
  expect(stderr).toContain("There is no procedure");
});

const judge = (...texts: string[]) => organism.json<Judged>("call", "reviews.judge", JSON.stringify({ texts }));

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
