/** An organism whose disk is full: it says so, stays alive, and goes on when there is room. */
import { closeSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { mountSmallDisk } from "../storage/rig.ts";
import { TestOrganism } from "./organism.ts";

const isRoot = process.getuid?.() === 0;
const DISK_KILOBYTES = 16_384;
const PAGE_BYTES = 4_096;

let organism: TestOrganism;
let disk: AsyncDisposable | undefined;
beforeEach(async () => {
  organism = await TestOrganism.create();
  disk = isRoot ? await mountSmallDisk(organism.directory, DISK_KILOBYTES) : undefined;
});
afterEach(async () => {
  await organism.run("down", "--now");
  await expect.poll(() => organism.members(), { timeout: 10_000, interval: 50 }).toEqual([]);
  await disk?.[Symbol.asyncDispose]();
  await organism.destroy();
});

const filler = () => join(organism.directory, "filler");

/** Takes what room there is but `leftPages`. */
function fill(leftPages = 0): void {
  append(filler(), leftPages === 0 ? Number.POSITIVE_INFINITY : (DISK_KILOBYTES * 1_024) / PAGE_BYTES - leftPages);
}

function append(path: string, pages: number): void {
  const file = openSync(path, "a");
  const page = Buffer.alloc(PAGE_BYTES, "\n");
  try {
    for (let i = 0; i < pages; i++) writeSync(file, page);
  } catch {
    // It is full.
  } finally {
    closeSync(file);
  }
}

const submit = () => organism.run("task", "submit", "noop", "--wait", "--json");
const replicasOf = async (name: string) => {
  const { stdout } = await organism.run("call", "telemetry.status", "--json");
  const status = JSON.parse(stdout) as { hosts: { name: string; replicas: { pid: number; state: string }[] }[] };
  return status.hosts.find((host) => host.name === name)?.replicas ?? [];
};

// At each of these a different file is the first that finds no room: the lock, the key, the database.
it.skipIf(!isRoot).each([0, 1, 20])(
  "does not start with %i pages left, and does with room (needs root)",
  async (pages) => {
    fill(pages);
    const { code, stderr } = await organism.run("up", "--detach");
    expect(code).toBe(1);
    expect(stderr).toMatch(/Make room on the disk|is full/);
    expect(stderr).toContain(organism.directory);
    rmSync(filler());
    await organism.up();
  },
);

// A line that cannot be logged must not end who logs it: a host that ended then would end again at its next start.
it.skipIf(!isRoot)("keeps its processes, starts killed hosts again, and goes on with room (needs root)", async () => {
  const { pid } = await organism.up();
  expect((await submit()).code).toBe(0);
  const [ml] = await replicasOf("ml");
  const [core] = await replicasOf("core");
  fill();
  // The last page of each log has some room left.
  const logs = join(organism.directory, "data", "logs");
  for (const name of readdirSync(logs)) append(join(logs, name), Number.POSITIVE_INFINITY);
  expect((await submit()).stderr).toContain("STORAGE");
  process.kill(ml?.pid ?? 0, "SIGKILL");
  process.kill(core?.pid ?? 0, "SIGKILL");
  const isBack = async (name: string, before: number | undefined) => {
    const [replica] = await replicasOf(name).catch(() => []);
    return replica !== undefined && replica.pid !== before && replica.state === "ready";
  };
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  rmSync(filler());
  await expect.poll(() => isBack("ml", ml?.pid), { timeout: 20_000, interval: 200 }).toBe(true);
  await expect.poll(() => isBack("core", core?.pid), { timeout: 20_000, interval: 200 }).toBe(true);
  expect((await submit()).code).toBe(0);
  expect(organism.runFile().pid).toBe(pid);
});
