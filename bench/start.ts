/** How fast an organism starts, what it costs while idle, and how fast it comes back: `npm run bench start`. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { request as undiciRequest } from "undici";
import { TestOrganism } from "../test/app/organism.ts";

const ROUNDS = 5;
const IDLE_S = 60;
const TICKS_PER_S = 100;
const root = join(import.meta.dirname, "..");

interface Member {
  readonly pid: number;
  readonly residentMb: number;
  readonly cpuTicks: number;
}

function membersOf(organism: TestOrganism): Member[] {
  return organism.members().map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return { pid, residentMb: Number(resident) / 1024, cpuTicks: Number(fields[11]) + Number(fields[12]) };
  });
}

/** The reaper keeps no environment of ours, so it is found by the marker on its command line. */
function reapersMb(): number {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .reduce((sum, pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("reaper.sh")) return sum;
        return sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0") / 1024;
      } catch {
        return sum;
      }
    }, 0);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** A process that does nothing but listen with fastify: from spawn to its first line. */
function bareFastify(): Promise<number> {
  const program =
    'const s = (await import("fastify")).default(); s.get("/", async () => "ok"); await s.listen({ port: 0, host: "127.0.0.1" }); console.log("ready")';
  return timed(
    () =>
      new Promise<void>((resolve) => {
        const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
          cwd: root,
          stdio: ["ignore", "pipe", "inherit"],
        });
        child.stdout.once("data", () => {
          child.kill("SIGKILL");
          child.once("exit", () => resolve());
        });
      }),
  );
}

function get(url: string, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    request(url, { agent: false, timeout: 200, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on("error", () => resolve(false))
      .end();
  });
}

/** Database statements so far, by host. */
async function statementsOf(organism: TestOrganism): Promise<Map<string, number>> {
  const { body } = await undiciRequest(`${organism.runFile().gatewayUrl}/metrics`, {
    headers: { authorization: `Bearer ${organism.token()}` },
  });
  const found = new Map<string, number>();
  for (const line of (await body.text()).split("\n")) {
    const match = /^seedcore_database_statements_total\{.*host="([^"]+)".*\} (\d+)/.exec(line);
    if (match) found.set(match[1] ?? "", Number(match[2]));
  }
  return found;
}

async function untilServes(url: string, token: string): Promise<void> {
  while (!(await get(url, token))) await new Promise((resolve) => setTimeout(resolve, 5));
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const ms = (value: number) => `${Math.round(value)} ms`;

const bare: number[] = [];
const starts: number[] = [];
const stops: number[] = [];
const organism = await TestOrganism.create();
try {
  // The first start of a build compiles; what a person sees every day is the next.
  await organism.up();
  await organism.run("down");
  for (let round = 0; round < ROUNDS; round++) {
    bare.push(await bareFastify());
    starts.push(await timed(() => organism.up()));
    if (round < ROUNDS - 1) stops.push(await timed(() => organism.run("down")));
  }
  console.log(
    `start to ready         ${ms(median(starts))}  (median of ${ROUNDS}, launcher included; ${starts.map(ms).join(", ")})`,
  );
  console.log(`bare fastify           ${ms(median(bare))}  (${bare.map(ms).join(", ")})`);
  console.log(`ratio                  ${(median(starts) / median(bare)).toFixed(1)} ×  (wanted ≤ 8, and ≤ 3000 ms)`);
  console.log(`down                   ${ms(median(stops))}`);

  await organism.run("status");
  const statuses: number[] = [];
  for (let round = 0; round < ROUNDS; round++) statuses.push(await timed(() => organism.run("status")));
  console.log(`seedcore status        ${ms(median(statuses))}  (wanted ≤ 300 ms)`);

  const before = membersOf(organism);
  const statementsBefore = await statementsOf(organism);
  await new Promise((resolve) => setTimeout(resolve, IDLE_S * 1_000));
  const after = membersOf(organism);
  const ticks = (members: Member[]) => members.reduce((sum, { cpuTicks }) => sum + cpuTicks, 0);
  const cpu = (ticks(after) - ticks(before)) / TICKS_PER_S / IDLE_S;
  const resident = after.reduce((sum, { residentMb }) => sum + residentMb, 0) + reapersMb();
  console.log(`idle, all processes    ${(cpu * 100).toFixed(1)} % of one core over ${IDLE_S} s  (wanted ≤ 3 %)`);
  console.log(
    `resident               ${Math.round(resident)} MB  (wanted ≤ 450; ${after.map(({ residentMb }) => Math.round(residentMb)).join(" + ")})`,
  );

  for (const [host, count] of await statementsOf(organism)) {
    const rate = (count - (statementsBefore.get(host) ?? 0)) / IDLE_S;
    console.log(`statements, ${host.padEnd(10)} ${rate.toFixed(2)} /s  (wanted ≤ 1)`);
  }

  const { gatewayUrl } = organism.runFile();
  const probes = { gateway: "/-/ping", core: "/state/agents", ml: "/ml/status" };
  for (const [host, path] of Object.entries(probes)) {
    const status = JSON.parse((await organism.run("call", "telemetry.status", "--json")).stdout) as {
      hosts: { name: string; replicas: { pid: number }[] }[];
    };
    const pid = status.hosts.find(({ name }) => name === host)?.replicas[0]?.pid ?? 0;
    const took = await timed(async () => {
      process.kill(pid, "SIGKILL");
      await untilServes(`${gatewayUrl}${path}`, organism.token());
    });
    console.log(`kill -9 ${host.padEnd(15)}${ms(took)} until it serves again  (wanted ≤ 1500 ms)`);
    await new Promise((resolve) => setTimeout(resolve, 6_000));
  }
} finally {
  await organism.destroy();
}
