/** The whole organism on PostgreSQL, as a person runs it. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TestOrganism } from "../app/organism.ts";
import { databaseUrl } from "./rig.ts";
import { addressOf, onDatabase } from "./server.ts";

let organism: TestOrganism;
beforeEach(async () => {
  organism = await TestOrganism.create({ DATABASE_URL: databaseUrl() });
});
afterEach(async () => {
  await organism.destroy();
  await onDatabase(
    databaseUrl(),
    `drop schema if exists "seedcore-dev__seedcore" cascade; drop schema if exists "seedcore-dev__points" cascade`,
  );
});

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await organism.run(...args);
  if (code !== 0) throw new Error(`seedcore ${args.join(" ")} failed with ${code}:\n${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}

/** A week, a point every five minutes, with three slow hours; `day` moves it in time. */
function shop(day: number): string {
  const rows = Array.from({ length: 2_000 }, (_, i) => {
    const noise = ((i * 7_919) % 1_009) / 1_009;
    const slow = i > 1_700 && i < 1_736 ? 240 : 0;
    return `${1_764_547_200 + day * 86_400 + i * 300},${(80 + 20 * Math.sin((6.2832 * i) / 288) + 8 * noise + slow).toFixed(1)}`;
  });
  const file = join(organism.home, `shop${day}.csv`);
  writeFileSync(file, ["timestamp,latency", ...rows].join("\n"));
  return file;
}

it("watches, decides and acts, and goes on after its processes, its connections and all of it ended", async () => {
  expect(await run("up", "--detach")).toContain(`PostgreSQL at ${addressOf(databaseUrl())}`);
  const before = shop(0);
  expect(await run("watch", before, "--name", "shop")).toMatch(/2,000 points accepted, 0 late/);
  await run("task", "submit", "notify", "--params", '{"message":"before"}', "--wait");

  const supervisor = organism.runFile().pid;
  for (const pid of organism.members()) if (pid !== supervisor) process.kill(pid, "SIGKILL");
  expect(await run("watch", shop(10), "--name", "shop")).toMatch(/2,000 points accepted, 0 late/);
  await onDatabase(
    databaseUrl(),
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'seedcore seedcore-dev%'",
  );
  await run("task", "submit", "notify", "--params", '{"message":"after"}', "--wait");

  const [incidents, tasks] = [await run("incidents", "--json"), await run("task", "list", "--json")];
  expect(incidents).toMatch(/shop\/latency moved up/);
  expect(tasks).not.toMatch(/"state":\s*"(failed|running|queued)"/);
  await run("down");
  await run("up", "--detach");
  expect(await run("incidents", "--json")).toBe(incidents);
  expect(await run("task", "list", "--json")).toBe(tasks);
  // All of it was acknowledged, so none of it is scored again.
  expect(await run("watch", before, "--name", "shop")).toMatch(/ 0 points accepted/);
});

// The password is in the environment of who was given it, and travels on from there on a pipe.
it("keeps the password out of its processes' environments and arguments, its files and its answers", async () => {
  const up = await run("up", "--detach");
  const status = await run("status", "--json");
  const supervisor = organism.runFile().pid;
  const hosts = organism.members().filter((pid) => pid !== supervisor);
  expect(hosts.length).toBeGreaterThanOrEqual(3);
  const told = hosts.flatMap((pid) =>
    ["environ", "cmdline"].map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8")),
  );
  const arguments_ = readFileSync(`/proc/${supervisor}/cmdline`, "utf8");
  const files = (readdirSync(organism.home, { recursive: true }) as string[])
    .map((name) => join(organism.home, name))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, "latin1"));
  expect(files.length).toBeGreaterThan(4);
  for (const text of [up, status, arguments_, ...told, ...files]) expect(text).not.toContain("s3cret");
  expect(inject("postgresUrl")).not.toContain("s3cret");
});

it("says what is wrong when the database cannot be used, and leaves nothing behind", async () => {
  const url = new URL(databaseUrl());
  url.pathname = "/seedcore_no_such";
  Object.assign(organism.environment, { DATABASE_URL: url.href });
  const { code, stderr, stdout } = await organism.run("up");
  expect(code).not.toBe(0);
  expect(`${stdout}${stderr}`).toMatch(/failed in the phase "connected".*There is no such database.*createdb/);
  expect(`${stdout}${stderr}`).not.toContain("s3cret");
  expect(organism.members()).toEqual([]);
});
