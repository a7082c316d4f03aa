import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestOrganism } from "./organism.ts";

const ROOT = join(import.meta.dirname, "../..");

let folder: string;
let organism: TestOrganism;
beforeEach(async () => {
  organism = await TestOrganism.create();
  folder = mkdtempSync(join(tmpdir(), "seedcore-package-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/seedcore"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
});
afterEach(async () => {
  await organism.destroy();
  rmSync(folder, { recursive: true, force: true });
});

describe('import from "seedcore" in another package', () => {
  // The sources name each other by aliases and end in .ts; neither may reach a program that installed the package.
  it("has types that a strict compiler takes and that reject a wrong call, and any before the connection is there", async () => {
    write(
      "app.ts",
      `import { type Connection, connect, defineContract, isServiceError, procedure } from "seedcore";
      import type { ActorHandle, ActorOptions, ObjectRef, Ray } from "seedcore";
      export const connection: Connection = await connect();
      const ml = connection.getServiceClient("ml");
      export const accepted: number = (
        await ml.ingest({ source: "shop", series: [{ name: "queue", points: [[Date.now(), 12]] }] })
      ).accepted;
      // @ts-expect-error a wrong name
      await ml.ingest({ sorce: "shop", series: [] });
      // @ts-expect-error no such service
      connection.getServiceClient("mll");
      const ray: Ray = connection.ray;
      const add = ray.task<(a: number, b: number) => number>("operator:add", { numCpus: 1 });
      using sum: ObjectRef<number> = await add.start([1, 2]);
      export const three: number = await ray.get(sum);
      interface Counter { add(n: number): number }
      const options: ActorOptions = { name: "hits", lifetime: "detached", getIfExists: true };
      const counter: ActorHandle<Counter> = await ray.actor<Counter>("counters:Counter", options).create([]);
      export const count: number = await counter.call("add", [1], { deadlineMs: 1_000 });
      // @ts-expect-error no such method
      await counter.call("subtract", [1]);
      // @ts-expect-error a wrong argument
      await add.call(["1", 2]);
      export { defineContract, isServiceError, procedure };`,
    );
    // In Python a handle can be made before ray.init(), and its first use fails or starts another Ray.
    write(
      "early.ts",
      `import { type ActorHandle, type Client, type Connection, connect, defineContract, defineService } from "seedcore";
      import { implement, type ObjectRef, type Ray } from "seedcore";
      const early = connect();
      // @ts-expect-error no client of a built-in service
      early.getServiceClient("ml");
      const shop = defineContract("shop", { summary: "A shop.", state: "none", procedures: {} });
      // @ts-expect-error nor of one's own
      early.client(shop);
      // @ts-expect-error no cluster
      early.ray;
      import * as seedcore from "seedcore";
      // @ts-expect-error nothing but a connection has clients
      seedcore.createClient;
      // @ts-expect-error nor a cluster
      seedcore.ray;
      // @ts-expect-error what a cluster has is a type here, not something to make
      new ObjectRef<number>();
      // @ts-expect-error an actor too
      new ActorHandle<object>();
      class Till {
        constructor(readonly sales: Client<typeof shop>, readonly ray: Ray) {}
        static at({ client, ray }: Connection): Till { return new Till(client(shop), ray); }
      }
      // @ts-expect-error so what is made of them waits
      Till.at(early);
      Till.at(await early);
      // @ts-expect-error a service too: its host makes it once it is connected
      defineService(shop, implement(shop, {}));
      defineService(shop, ({ client }) => implement(shop, {}, { warmUp: async () => void client(shop) }));
      export type { ObjectRef, ActorHandle };`,
    );
    const strict = ["--strict", "--noEmit", "--target", "es2023", "--lib", "es2023,dom,esnext.disposable"];
    for (const module of [
      ["--module", "nodenext"],
      ["--module", "esnext", "--moduleResolution", "bundler"],
    ]) {
      const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
      expect(await node(compiler, ...strict, ...module, "app.ts", "early.ts")).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
    }
  });

  it("connects, calls and gives declared errors as values", async () => {
    await organism.up();
    write(
      "app.js",
      `import { connect } from "seedcore";
      const connection = await connect();
      const { accepted } = await connection.getServiceClient("ml").ingest({
        source: "shop", series: [{ name: "queue", points: [[Date.now(), 12]] }],
      });
      const task = await connection.getServiceClient("coordinator").getTask.try({ id: "task_unknown" });
      console.log(JSON.stringify({ accepted, code: task.error.code }));
      await connection.close();`,
    );
    const { code, stdout, stderr } = await node("app.js");
    expect(stderr).toBe("");
    expect({ code, answer: JSON.parse(stdout) as unknown }).toEqual({
      code: 0,
      answer: { accepted: 1, code: "UNKNOWN_TASK" },
    });
  });
});

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

function node(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: folder, env: organism.environment }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}
