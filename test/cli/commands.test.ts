/** Every command against one real organism: what it prints, what it answers with --json, and how it exits. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { TestOrganism } from "../app/organism.ts";

let organism: TestOrganism;
beforeAll(async () => {
  organism = await TestOrganism.create();
});
afterAll(async () => {
  await organism.destroy();
});
const seedcore = (...args: string[]) => organism.run(...args);
async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr } = await seedcore(...args, "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as T;
}
/** The error a command prints with --json. */
async function failure(
  ...args: string[]
): Promise<{ code: number | null; error: { code: string; message: string; todo: string[] } }> {
  const { code, stderr } = await seedcore(...args, "--json");
  return { code, ...(JSON.parse(stderr) as { error: { code: string; message: string; todo: string[] } }) };
}

describe("without an organism", () => {
  // Scripts tell "does not run" from "failed" by the exit code; people are told how to start it.
  it.each([
    ["status"],
    ["incidents"],
    ["task", "list"],
    ["watch", "host"],
    ["call", "ml.sources"],
    ["sources"],
    ["event", "x"],
  ])("%s says that none runs and how to start one", async (...args) => {
    const { code, stdout, stderr } = await seedcore(...args);
    expect({ code, stdout }).toEqual({ code: 3, stdout: "" });
    expect(stderr).toContain("seedcore up");
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it("doctor finds nothing wrong on a fresh machine", async () => {
    const { healthy, findings } = await json<{ healthy: boolean; findings: { check: string }[] }>("doctor");
    expect(healthy).toBe(true);
    expect(findings.map(({ check }) => check)).toContain("disk");
  });

  it("help and version need nothing and exit with 0; a wrong command exits with 2 and the nearest name", async () => {
    for (const args of [
      ["--help"],
      ["watch", "--help"],
      ["task", "--help"],
      ["task", "submit", "--help"],
      ["help", "detect"],
      [],
    ]) {
      const { code, stdout } = await seedcore(...args);
      expect({ args, code }).toEqual({ args, code: 0 });
      expect(stdout).toContain("$ seedcore ");
    }
    expect((await seedcore("--version")).stdout).toBe("0.1.0\n");
    const wrong = await seedcore("statsu");
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toContain("status");
    expect((await seedcore("watch", "x", "--sped", "max")).code).toBe(2);
  });
});

describe("with an organism", () => {
  beforeAll(async () => {
    await organism.up();
  });

  it("status shows hosts with memory, the default sources and counts", async () => {
    type Status = {
      hosts: { name: string; replicas: { state: string; residentBytes: number }[] }[];
      sources: { name: string }[];
    };
    const status = await json<Status>("status");
    expect(status).toMatchObject({ namespace: "seedcore-dev", engine: "embedded", incidents: { open: 0 } });
    expect(status.hosts.map(({ name }) => name).sort()).toEqual(["core", "gateway", "ml"]);
    for (const { replicas } of status.hosts) {
      expect(replicas[0]?.state).toBe("ready");
      expect(replicas[0]?.residentBytes).toBeGreaterThan(10e6);
    }
    expect(status.sources.map(({ name }) => name)).toEqual(["host", "services"]);
    const { stdout } = await seedcore("status");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(/^HOST +STATE/m);
  });

  it("a task is submitted, waited for, shown and listed", async () => {
    const task = await json<{ id: string; state: string }>(
      "task",
      "submit",
      "notify",
      "--params",
      '{"message":"hi"}',
      "--wait",
    );
    expect(task.state).toBe("succeeded");
    expect(await json("task", "show", task.id)).toMatchObject({
      id: task.id,
      params: { message: "hi" },
      submittedBy: "owner",
    });
    const { tasks } = await json<{ tasks: { id: string }[] }>("task", "list", "--type", "notify");
    expect(tasks.map(({ id }) => id)).toContain(task.id);
    expect((await seedcore("task", "show", task.id)).stdout).toContain("succeeded");
    expect(await failure("task", "retry", task.id)).toMatchObject({ code: 1, error: { code: "NOT_RETRYABLE" } });
  });

  it("a scheduled task can be cancelled; then it can be retried", async () => {
    const task = await json<{ id: string }>(
      "call",
      "coordinator.submitTask",
      `{"type":"noop","runAfterMs":${Date.now() + 3_600_000}}`,
    );
    expect(await json("task", "show", task.id)).toMatchObject({ state: "scheduled" });
    expect(await json("task", "cancel", task.id)).toMatchObject({ state: "cancelled" });
    expect((await json<{ state: string }>("task", "retry", task.id)).state).not.toBe("cancelled");
    await seedcore("task", "cancel", task.id);
  });

  it("mistakes in a task are told with what would be right", async () => {
    const unknown = await failure("task", "submit", "notfy");
    expect(unknown).toMatchObject({ code: 1, error: { code: "UNKNOWN_TASK_TYPE" } });
    expect(unknown.error.todo.join(" ")).toContain('"notify"');
    expect(await failure("task", "submit", "notify", "--params", "{nope")).toMatchObject({
      code: 2,
      error: { code: "USAGE" },
    });
    expect(await failure("task", "submit", "notify", "--priority", "11")).toMatchObject({ code: 2 });
    expect(await failure("task", "show", "task_none")).toMatchObject({ code: 1, error: { code: "UNKNOWN_TASK" } });
  });

  it("call takes JSON, fields and standard input, and names what is wrong", async () => {
    const asJson = await json("call", "organism.resolveRoute", '{"type":"notify"}');
    expect(await json("call", "organism.resolveRoute", "--type", "notify")).toEqual(asJson);
    expect(await json("call", "telemetry.scaleHost", "--host", "ml", "--replicas=1")).toMatchObject({ replicas: 1 });
    const { procedures } = await json<{ procedures: { name: string }[] }>("call");
    expect(procedures.map(({ name }) => name)).toEqual(expect.arrayContaining(["ml.ingest", "telemetry.putSource"]));
    expect((await failure("call", "ml.sorces")).error.todo.join(" ")).toContain("ml.sources");
    expect((await failure("call", "telemetry.scaleHost", "--hots", "ml")).error.todo.join(" ")).toContain("--host");
    expect(await failure("call", "telemetry.scaleHost", "--host", "ml", "--replicas", "many")).toMatchObject({
      code: 2,
    });
    expect(await failure("call", "telemetry.scaleHost", "--host", "nix", "--replicas", "1")).toMatchObject({
      code: 1,
      error: { code: "UNKNOWN_HOST" },
    });
    expect((await seedcore("call", "ml.ingest", "--help")).stdout).toContain("--source");
  });

  it("a host is scaled and restarted; nonsense and what is not there are refused", async () => {
    const mlReplicas = async () => {
      type Status = { hosts: { name: string; replicas: { id: string; state: string }[] }[] };
      const { hosts } = await json<Status>("status");
      return hosts.find(({ name }) => name === "ml")?.replicas.filter(({ state }) => state === "ready") ?? [];
    };
    const soon = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 300 });
    expect(await seedcore("scale", "ml", "2")).toMatchObject({ code: 0, stdout: "ml goes from 1 to 2 replicas.\n" });
    await soon(async () => expect(await mlReplicas()).toHaveLength(2));
    expect((await seedcore("scale", "ml", "2")).stdout).toBe("ml has 2 replicas already.\n");
    expect(await json("scale", "ml", "1")).toEqual({ host: "ml", replicas: 1, previous: 2 });
    await soon(async () => expect(await mlReplicas()).toHaveLength(1));
    const [before] = await mlReplicas();
    expect((await seedcore("restart", "ml")).stdout).toContain("ml is restarted");
    await soon(async () => {
      const now = await mlReplicas();
      expect(now).toHaveLength(1);
      expect(now[0]?.id).not.toBe(before?.id);
    });
    expect(await failure("scale", "ml", "many")).toMatchObject({ code: 2, error: { code: "USAGE" } });
    expect(await failure("scale", "core", "0")).toMatchObject({ code: 1, error: { code: "INVALID_INPUT" } });
    expect(await failure("restart", "nix")).toMatchObject({ code: 1, error: { code: "UNKNOWN_HOST" } });
  });

  it("help on a procedure has an example that is accepted as input", async () => {
    for (const name of ["ml.ingest", "coordinator.submitTask", "ml.detectAnomaly", "ml.status"]) {
      const { stdout } = await seedcore("call", name, "--help");
      const input = new RegExp(`^Example: .*seedcore call ${name}(?: '(.*)')?$`, "m").exec(stdout);
      expect(input, stdout).not.toBeNull();
      const { stderr } = await seedcore("call", name, input?.[1] ?? "{}");
      expect(stderr).not.toContain("cannot be called with");
    }
  });

  it("an event is recorded at its time", async () => {
    const answer = await json(
      "event",
      "shop 2 is out",
      "--kind",
      "deploy",
      "--target",
      "shop",
      "--at",
      "2026-01-01T00:00:00Z",
    );
    expect(answer).toMatchObject({ kind: "deploy", target: "shop", atMs: Date.UTC(2026, 0, 1) });
    expect(await failure("event", "x", "--at", "soon")).toMatchObject({ code: 2 });
  });

  it("logs are readable, filtered and followed; unknown hosts are named", async () => {
    await seedcore("task", "submit", "notify", "--params", '{"message":"for the log"}', "--wait");
    const { stdout } = await seedcore("logs", "core", "--level", "warn");
    expect(stdout).toContain("for the log");
    expect(stdout).not.toContain(" info ");
    const lines = (await seedcore("logs", "core", "--json")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as { msg: string }).length).toBeGreaterThan(0);
    expect((await failure("logs", "cor")).error.todo.join(" ")).toContain("core");
  });

  it("doctor says what is wrong and what to do", async () => {
    expect((await seedcore("doctor")).code).toBe(0);
    const config = join(organism.directory, "seedcore.json");
    writeFileSync(config, '{"prot": 1}');
    const { code, stdout } = await seedcore("doctor");
    rmSync(config);
    expect(code).toBe(1);
    expect(stdout).toMatch(/BAD +config/);
    expect(stdout).toContain("port");
  });

  // A default that comes back at every start cannot be switched off.
  it("a removed default source stays removed over a restart; the other goes on where it was", async () => {
    expect(await json("sources", "remove", "services")).toEqual({ removed: "services" });
    await expect
      .poll(async () => (await json<Sources>("sources")).sources[0]?.points, { timeout: 10_000 })
      .toBeGreaterThan(4);
    const before = (await json<Sources>("sources")).sources[0]?.points ?? 0;
    expect((await seedcore("down")).code).toBe(0);
    await organism.up();
    await expect
      .poll(async () => (await json<Sources>("sources")).sources[0]?.points, { timeout: 10_000 })
      .toBeGreaterThan(before);
    expect((await json<Sources>("sources")).sources.map(({ name }) => name)).toEqual(["host"]);
    expect(await failure("sources", "remove", "services")).toMatchObject({
      code: 1,
      error: { code: "UNKNOWN_SOURCE" },
    });
    expect((await seedcore("watch", "services")).code).toBe(0);
    expect((await json<Sources>("sources")).sources.map(({ name }) => name)).toEqual(["host", "services"]);
  });

  it("a wrong token is told as such", async () => {
    const token = join(organism.directory, "token");
    const right = readFileSync(token, "utf8");
    writeFileSync(token, "nonsense\n");
    const { code, error } = await failure("status");
    writeFileSync(token, right);
    expect({ code, error: error.code }).toEqual({ code: 1, error: "UNAUTHENTICATED" });
  });
});

interface Sources {
  readonly sources: { readonly name: string; readonly points: number }[];
}
