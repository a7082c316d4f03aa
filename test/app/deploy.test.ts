import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type CommandResult, TestOrganism } from "./organism.ts";

const GREETER = readFileSync(join(import.meta.dirname, "../../examples/greeter/service.ts"), "utf8");

let organism: TestOrganism;
let folder: string;
beforeAll(async () => {
  organism = await TestOrganism.create();
  await organism.up();
});
afterAll(() => organism.destroy());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "seedcore-own-"));
  return () => rmSync(folder, { recursive: true, force: true });
});

describe("a service of one's own", () => {
  it("is served, described and called like a built-in one, and a changed one replaces it without a failed call", async () => {
    write({ "service.ts": GREETER });
    expect(await deploy()).toMatchObject({ host: "greeter", service: "greeter", changed: true, generation: 1 });
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Hello Ada" });
    const refused = await organism.run("call", "greeter.greet", "--name", "Ada", "--language", "de");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('"en"|"fr"') as unknown });
    const { paths } = (await (await ask("/openapi.json")).json()) as { paths: object };
    expect(paths).toMatchObject({ "/greeter/people/{name}": { get: { operationId: "greeter.greet" } } });
    expect(await deploy()).toMatchObject({ changed: false, generation: 1 });

    let isOver = false;
    const statuses = new Set<number>();
    const caller = (async () => {
      while (!isOver) statuses.add((await ask("/greeter/people/Ada")).status);
    })();
    write({ "service.ts": GREETER.replace('"Hello"', '"Good day"') });
    expect(await deploy()).toMatchObject({ changed: true, generation: 2 });
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Good day Ada" });
    const back = JSON.parse((await organism.run("rollback", "greeter", "--json")).stdout) as { generation: number };
    expect(back.generation).toBe(3);
    await vi.waitFor(
      async () => expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Hello Ada" }),
      { timeout: 20_000 },
    );
    // The same leads forth again.
    expect((await organism.run("rollback", "greeter")).code).toBe(0);
    await vi.waitFor(
      async () => expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Good day Ada" }),
      { timeout: 20_000 },
    );
    isOver = true;
    await caller;
    expect(statuses).toEqual(new Set([200]));
    const builtIn = await organism.run("rollback", "ml", "--json");
    expect(builtIn.code).toBe(1);
    expect(errorOf(builtIn).message).toContain("part of SeedCore");

    await organism.run("down");
    await organism.up();
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Good day Ada" });
    expect(await remove("greeter")).toEqual({ host: "greeter", removed: true });
    expect(await remove("greeter")).toEqual({ host: "greeter", removed: false });
    expect((await ask("/greeter/people/Ada")).status).toBe(404);
  });

  it("that throws when it starts is not deployed, and the version before it serves on", async () => {
    write({ "service.ts": GREETER });
    await deploy();
    const broken = GREETER.replace("implement(greeter, {", "implement(greeter, { ...modelOf('/models'),");
    write({ "service.ts": `${broken}\nfunction modelOf(path) { throw new Error('no model in ' + path); }` });
    const failed = await organism.run("deploy", folder, "--json");
    expect(failed.code).toBe(1);
    expect(errorOf(failed)).toMatchObject({
      code: "DEPLOY_FAILED",
      message: expect.stringContaining(
        '"greeter" did not start: no model in /models. The version before it serves on.',
      ) as unknown,
    });
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Hello Ada" });
    await remove("greeter");
    const first = await organism.run("deploy", folder, "--json");
    expect(errorOf(first).message).toContain("It was removed again.");
    // Its process is given the time to go.
    await vi.waitFor(async () => expect((await organism.run("status", "--json")).stdout).not.toContain("greeter"), {
      timeout: 10_000,
    });
  });

  // Its last words are all there is: an exit says no reason.
  it("that exits when it starts is not deployed, and what it said is told", async () => {
    write({ "service.ts": GREETER });
    await deploy();
    const broken = GREETER.replace("implement(greeter, {", "implement(greeter, { ...modelOf('/models'),");
    write({
      "service.ts": `${broken}\nfunction modelOf() { console.error("no licence for this machine"); process.exit(3); }`,
    });
    const failed = await organism.run("deploy", folder, "--json");
    expect(failed.code).toBe(1);
    expect(errorOf(failed)).toMatchObject({
      code: "DEPLOY_FAILED",
      message: expect.stringContaining("no licence for this machine") as unknown,
    });
    expect(errorOf(failed).message).toContain("The version before it serves on.");
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Hello Ada" });
    await remove("greeter");
  });

  it("that never gets ready is given up, and the version before it serves on", async () => {
    write({ "service.ts": GREETER });
    await deploy();
    const wait = 'console.log("waiting for the licence server"); await new Promise(() => {});';
    const slow = GREETER.replace(
      "({ replicaId }) =>",
      `async ({ replicaId }) => (await (async () => { ${wait} })()) ??`,
    );
    write({ "service.ts": slow });
    const failed = await organism.run("deploy", folder, "--timeout", "5s", "--json");
    expect(failed.code).toBe(1);
    expect(errorOf(failed)).toMatchObject({ code: "DEPLOY_FAILED" });
    expect(errorOf(failed).message).toContain(
      'it was not ready after 5 s: greeter is being created; it said "waiting for the licence server".',
    );
    expect(errorOf(failed).message).toContain("The version before it serves on.");
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "Hello Ada" });
    await remove("greeter");
  });

  it("calls the organism by connect() within its host, with files of its own, and gets no database", async () => {
    write({
      "seedcore.json": JSON.stringify({
        name: "hands",
        entry: "src/service.ts",
        files: ["words.json"],
        env: { WORD: "two" },
      }),
      "words.json": '{ "one": "first" }',
      "src/service.ts": `
        import { readFileSync } from "node:fs";
        import { connect, defineContract, defineService, implement, procedure, z } from "seedcore";
        const hand = defineContract("hand", { summary: "What a host is given.", state: "none", procedures: {
          look: procedure({ summary: "Looks.", method: "GET", path: "/look", input: z.object({}), output: z.record(z.string(), z.json()) }),
          predict: procedure({ summary: "Asks a model.", method: "GET", path: "/predict", input: z.object({}), output: z.json() }),
        } });
        export default defineService(hand, async (context) => {
          const connection = await connect();
          const model = context.serve("some/Model", hand);
          return implement(hand, {
            predict: () => model.predict({}),
            async look() {
              const { sources } = await connection.getServiceClient("telemetry").sources({});
              const refused = await connection.getServiceClient("telemetry").removeHost.try({ host: "x" }).catch((error) => error.code);
              return {
                sources: sources.map(({ name }) => name).sort(), refused, word: process.env.WORD ?? "",
                file: JSON.parse(readFileSync(new URL("./words.json", import.meta.url), "utf8")).one,
                database: await context.database("seedcore", []).then(() => "opened", (error) => error.message),
              };
            },
          });
        });`,
    });
    expect(await deploy()).toMatchObject({ host: "hands", service: "hand" });
    expect(await call("hand.look")).toEqual({
      sources: ["host", "services"],
      refused: "FORBIDDEN",
      word: "two",
      file: "first",
      database: "This host has no database: a person's own services get procedures instead.",
    });
    const outsideRay = await organism.run("call", "hand.predict", "--json");
    expect(errorOf(outsideRay).message).toContain('"some/Model" is a deployment of Ray Serve');
    await remove("hands");
  });

  it.each([
    ["does not compile", { "service.ts": "export default {" }, "cannot be bundled"],
    ["imports what is not there", { "service.ts": 'import "left-pad";' }, "left-pad"],
    ["throws when it is loaded", { "service.ts": 'throw new Error("no key");' }, "no key"],
    ["exports no service", { "service.ts": "export const answer = 42;" }, "export default defineService"],
    ["has state", { "service.ts": GREETER.replace('"none"', '"single"') }, 'Declare state: "none"'],
    ["takes a built-in name", { "service.ts": GREETER.replaceAll('"greeter"', '"ml"') }, "one of the organism's own"],
    [
      "takes a built-in service's name",
      { "service.ts": GREETER.replaceAll('"greeter"', '"state"') },
      'There is a service "state" already',
    ],
    ["has an unknown setting", { "service.ts": GREETER, "seedcore.json": '{ "replica": 2 }' }, "replica"],
    ["has no program", {}, "service.ts"],
  ])("that %s is refused before anything is changed", async (_what, files, said) => {
    write(files);
    const refused = await organism.run("deploy", folder, "--json");
    expect(refused.code).toBe(1);
    expect(errorOf(refused).message).toContain(said);
  });

  // A bundler cannot see what an addon loads: its package must travel as it is, with what it needs.
  it("takes packages with native parts along as they are", async () => {
    write({
      "node_modules/native/package.json":
        '{ "name": "native", "version": "1.0.0", "main": "main.js", "dependencies": { "needed": "1" } }',
      "node_modules/native/main.js": 'exports.word = require("needed"); exports.where = __dirname;',
      "node_modules/native/build/addon.node": "not loaded",
      "node_modules/needed/package.json": '{ "name": "needed", "version": "1.0.0" }',
      "node_modules/needed/index.js": 'module.exports = "needed";',
      "service.ts": `import native from "native";\n${GREETER.replace('"Hello"', "native.word")}`,
    });
    await deploy();
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "needed Ada" });
    await remove("greeter");
  });

  it("runs native code of a package that comes in a part for each platform", async () => {
    const installed = join(import.meta.dirname, "../../node_modules");
    const parts = readdirSync(installed).filter((name) => /^(lightningcss|detect-libc)/.test(name));
    for (const name of parts) cpSync(join(installed, name), join(folder, "node_modules", name), { recursive: true });
    const minified =
      'transform({ filename: "", code: Buffer.from("p { color: #ff0000 }"), minify: true }).code.toString()';
    write({ "service.ts": `import { transform } from "lightningcss";\n${GREETER.replace('"Hello"', minified)}` });
    await deploy();
    expect(await call("greeter.greet", "--name", "Ada")).toMatchObject({ text: "p{color:red} Ada" });
    await remove("greeter");
  });
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

function ask(path: string): Promise<Response> {
  return fetch(`${organism.runFile().gatewayUrl}${path}`, { headers: { authorization: `Bearer ${organism.token()}` } });
}

async function toJson(result: CommandResult): Promise<unknown> {
  if (result.code !== 0) throw new Error(`${result.code}: ${result.stdout}${result.stderr}`);
  return JSON.parse(result.stdout) as unknown;
}

const deploy = async () => toJson(await organism.run("deploy", folder, "--json"));
const call = async (...args: string[]) => toJson(await organism.run("call", ...args, "--json"));
const remove = async (host: string) => toJson(await organism.run("deploy", "--remove", host, "--json"));

function errorOf({ stderr }: CommandResult): { readonly code: string; readonly message: string } {
  return (JSON.parse(stderr) as { error: { code: string; message: string } }).error;
}
