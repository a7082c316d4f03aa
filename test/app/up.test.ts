import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestOrganism } from "./organism.ts";

let organism: TestOrganism;
beforeEach(async () => {
  organism = await TestOrganism.create();
});
afterEach(async () => {
  await organism.destroy();
});
const gone = () => expect.poll(() => organism.members(), { timeout: 10_000, interval: 50 }).toEqual([]);

interface Status {
  readonly hosts: readonly {
    readonly name: string;
    readonly generation: number;
    readonly replicas: readonly { readonly id: string; readonly pid: number; readonly state: string }[];
  }[];
}
async function status(): Promise<Status> {
  const { stdout, stderr, code } = await organism.run("call", "telemetry.status", "--json");
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Status;
}
const hostNamed = async (name: string) => (await status()).hosts.find((host) => host.name === name);

describe("seedcore up", () => {
  it("goes through the phases in order, prints address and commands, and leaves nothing after down", async () => {
    const up = await organism.run("up", "--detach");
    expect(up.code).toBe(0);
    const order = ["configured", "connected", "migrated", "bootstrapped", "deployed", "ready", "http://", "Try"];
    const places = order.map((word) => `${up.stdout}${up.stderr}`.indexOf(word));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
    for (const file of ["token", "key.json", "run.json"]) {
      expect(statSync(join(organism.directory, file)).mode & 0o077).toBe(0);
    }
    expect((await organism.run("down")).code).toBe(0);
    await gone();
    expect((await organism.run("down")).code).toBe(3);
  });

  it("refuses a second start in the namespace and says who runs", async () => {
    const { pid, gatewayUrl } = await organism.up();
    const second = await organism.run("up", "--detach");
    expect(second.code).toBe(3);
    expect(second.stderr).toContain(`pid ${pid}`);
    expect(second.stderr).toContain(gatewayUrl);
    expect(organism.runFile().pid).toBe(pid);
  });

  // A crash leaves the file; its pid may meanwhile be another program's.
  it("replaces a stale run file, even one with a living pid", async () => {
    mkdirSync(organism.directory, { recursive: true });
    const stale = {
      pid: process.pid,
      processStart: "1",
      startedAtMs: 1,
      gatewayUrl: "http://127.0.0.1:1",
      phase: "ready",
    };
    writeFileSync(join(organism.directory, "run.json"), JSON.stringify(stale));
    expect((await organism.run("status")).code).toBe(3);
    expect((await organism.up()).pid).not.toBe(process.pid);
  });

  it("names who has taken its port, and leaves nothing half-started", async () => {
    const other = createServer();
    await new Promise<void>((resolve) =>
      other.listen(Number(organism.environment.SEEDCORE_PORT), "127.0.0.1", resolve),
    );
    const refused = await organism.run("up", "--detach");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`Port ${organism.environment.SEEDCORE_PORT} is taken by .*pid ${process.pid}`),
    );
    await gone();
    await new Promise((resolve) => other.close(resolve));
    await organism.up();
  });

  it("says every mistake in the configuration file with the name that was meant", async () => {
    mkdirSync(organism.directory, { recursive: true });
    writeFileSync(join(organism.directory, "seedcore.json"), '{ "hosts": { "ml": { "replcas": 2 } }, "prot": 1 }');
    const refused = await organism.run("up", "--detach");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Did you mean "port"?');
    await gone();
  });

  it("survives kill -9 of its supervisor: nothing stays, and the next start works", async () => {
    const { pid } = await organism.up();
    process.kill(pid, "SIGKILL");
    await gone();
    expect((await organism.up()).pid).not.toBe(pid);
  });

  it("serves again after kill -9 of any host", async () => {
    await organism.up();
    for (const name of ["gateway", "core", "ml"]) {
      const victim = (await hostNamed(name))?.replicas[0];
      process.kill(victim?.pid ?? 0, "SIGKILL");
      await expect
        .poll(
          async () => {
            const [replica] = (await hostNamed(name).catch(() => undefined))?.replicas ?? [];
            return replica?.state === "ready" && replica.id !== victim?.id;
          },
          { timeout: 15_000 },
        )
        .toBe(true);
    }
  });

  // The call that asks for it is answered by the very process that goes.
  it("lets a service restart its own host", async () => {
    await organism.up();
    const before = await hostNamed("core");
    const asked = await organism.run("call", "telemetry.restartHost", '{"host":"core"}', "--json");
    expect(asked.stderr).toBe("");
    await expect
      .poll(
        async () => {
          const core = await hostNamed("core");
          return core?.replicas.map(({ state, id }) => `${state} ${id === before?.replicas[0]?.id}`);
        },
        { timeout: 20_000 },
      )
      .toEqual(["ready false"]);
  });

  it("keeps a count set by scale over its own restart", async () => {
    await organism.up();
    expect((await organism.run("call", "telemetry.scaleHost", '{"host":"ml","replicas":2}')).code).toBe(0);
    await expect.poll(async () => (await hostNamed("ml"))?.replicas.length, { timeout: 15_000 }).toBe(2);
    await organism.run("down");
    await organism.up();
    expect((await hostNamed("ml"))?.replicas.map(({ state }) => state)).toEqual(["ready", "ready"]);
  });

  it("applies a changed configuration file, and keeps the last good one when it is broken", async () => {
    await organism.up();
    const replace = (text: string) => {
      // As editors do: a new file in place of the old one.
      writeFileSync(join(organism.directory, "seedcore.json.new"), text);
      renameSync(join(organism.directory, "seedcore.json.new"), join(organism.directory, "seedcore.json"));
    };
    const before = await hostNamed("ml");
    replace('{ "hosts": { "ml": { "replicas": ');
    const log = join(organism.directory, "data", "logs", "supervisor.log");
    await expect.poll(() => readFileSync(log, "utf8"), { timeout: 10_000 }).toContain("last good one stands");
    expect((await hostNamed("ml"))?.replicas).toHaveLength(1);
    replace('{ "hosts": { "ml": { "maxConcurrency": 99 } } }');
    await expect
      .poll(async () => (await hostNamed("ml"))?.generation ?? 0, { timeout: 15_000 })
      .toBeGreaterThan(before?.generation ?? 0);
  });
});
