import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import type { ReplicaStatus } from "#runtime/engine/engine.ts";
import { endLeftovers } from "#runtime/engine/embedded/reaper.ts";
import { askToy } from "./toy.ts";

const logsDir = mkdtempSync(join(tmpdir(), "seedcore-killed-"));
let supervisor: ChildProcess | undefined;
let marker = "";
let runs = 0;

async function startSupervisor(): Promise<readonly ReplicaStatus[]> {
  marker = `SEEDCORE_ORGANISM=killed-${process.pid}-${++runs}-end`;
  const child = spawn(process.execPath, [join(import.meta.dirname, "toy-supervisor.ts"), logsDir, marker], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  supervisor = child;
  for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as ReplicaStatus[];
  throw new Error("the supervisor said nothing");
}

/** Processes of this organism, by what their environment says, the reaper's by its command line. */
function members(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        const of = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
        const alive = !/^State:\s+Z/m.test(of("status"));
        return pid !== process.pid && alive && (of("environ").includes(marker) || of("cmdline").includes(marker));
      } catch {
        return false;
      }
    });
}

async function untilGone(): Promise<void> {
  await expect.poll(members, { timeout: 10_000, interval: 20 }).toEqual([]);
}

afterEach(async () => {
  supervisor?.kill("SIGKILL");
  endLeftovers(marker);
  await untilGone();
});

describe.skipIf(process.platform !== "linux")("a supervisor that is killed (needs Linux's /proc)", () => {
  // Without its parent a host would go on writing to a database that a new organism owns.
  it("leaves none of its hosts alive", async () => {
    const replicas = await startSupervisor();
    expect(members()).toEqual(expect.arrayContaining(replicas.map(({ pid }) => pid)));
    supervisor?.kill("SIGKILL");
    await untilGone();
  });

  it("leaves no grandchild alive, not even one with a session of its own", async () => {
    const replicas = await startSupervisor();
    const grandchildren: number[] = [];
    for (const [index, { state }] of replicas.entries()) {
      if (state.kind !== "ready") throw new Error(state.kind);
      grandchildren.push((await askToy(state.address, `/toy/grandchild${index === 0 ? "?session" : ""}`)).pid);
    }
    expect(members()).toEqual(expect.arrayContaining(grandchildren));
    supervisor?.kill("SIGKILL");
    await untilGone();
  });

  // A stopped process reads no pipe, so the end of its standard input cannot end it.
  it("leaves no stopped host alive", async () => {
    const [victim] = await startSupervisor();
    process.kill(victim?.pid ?? 0, "SIGSTOP");
    supervisor?.kill("SIGKILL");
    await untilGone();
  });

  it("leaves nothing when its reaper was killed before", async () => {
    await startSupervisor();
    const reaper = members().find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("reaper.sh")) ?? 0;
    process.kill(reaper, "SIGKILL");
    await expect
      .poll(() => members().some((pid) => pid !== reaper && isReaper(pid)), { timeout: 10_000, interval: 20 })
      .toBe(true);
    supervisor?.kill("SIGKILL");
    await untilGone();
  });

  it("has its leftovers ended by the next one, by their marker", async () => {
    await startSupervisor();
    const orphan = spawn("sleep", ["1000"], { env: { SEEDCORE_ORGANISM: marker.split("=")[1] ?? "" } });
    await expect.poll(() => members().includes(orphan.pid ?? 0), { timeout: 5_000 }).toBe(true);
    expect(endLeftovers(marker)).toContain(orphan.pid);
  });
});

function isReaper(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("reaper.sh");
  } catch {
    return false;
  }
}

process.on("exit", () => rmSync(logsDir, { recursive: true, force: true }));
