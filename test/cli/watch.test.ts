/** `watch` and `detect` with real files, bad ones too, and with everything killed under it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { TestOrganism } from "../app/organism.ts";

const LAUNCHER = join(import.meta.dirname, "..", "..", "bin", "seedcore");
const START = Date.UTC(2026, 0, 1);

interface WatchedFile {
  readonly source: string;
  readonly rows: number;
  readonly accepted: number;
  readonly late: number;
  readonly scoredBefore: number;
  readonly rejected: number;
  readonly examples: { line: number; reason: string }[];
  readonly crossings: { id: string; startedAtMs: number }[];
}
interface Watched {
  readonly files: WatchedFile[];
  readonly failed: { path: string; error: { message: string } }[];
  readonly incidents: { id: string; series: string[] }[];
}

let organism: TestOrganism;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "seedcore-watch-"));
  organism = await TestOrganism.create();
  await organism.up();
});
afterAll(async () => {
  await organism.destroy();
  rmSync(folder, { recursive: true, force: true });
});

async function watch(...args: string[]): Promise<Watched & { code: number | null }> {
  const { code, stdout, stderr } = await organism.run("watch", ...args, "--json");
  if (stdout === "") throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Watched) };
}
async function call<T>(procedure: string, input: object): Promise<T> {
  const { stdout, stderr } = await organism.run("call", procedure, JSON.stringify(input), "--json");
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as T;
}
const pointsOf = async (source: string, series = "value") =>
  (await call<{ points: [number, number, number][] }>("ml.points", { source, series, limit: 100_000 })).points;
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
/** A quiet series of a minute's step with one far jump, long enough to be judged. */
function series(rows: number, jumpAt = -1): string {
  const random = seededRandom(7);
  const lines = ["timestamp,value"];
  for (let i = 0; i < rows; i++) {
    const time = new Date(START + i * 60_000).toISOString().slice(0, 19).replace("T", " ");
    const isJump = jumpAt >= 0 && i >= jumpAt && i < jumpAt + 30;
    lines.push(`${time},${(100 + 10 * random.next() + (isJump ? 400 : 0)).toFixed(3)}`);
  }
  return `${lines.join("\n")}\n`;
}
function start(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(LAUNCHER, args, { env: organism.environment });
}
const ended = (child: ChildProcessWithoutNullStreams) =>
  new Promise<number | null>((resolve) => child.on("close", (code) => resolve(code)));
const textOf = (child: ChildProcessWithoutNullStreams) => {
  const parts: string[] = [];
  child.stdout.on("data", (part: Buffer) => parts.push(part.toString()));
  return () => parts.join("");
};

describe("watch", () => {
  it("takes a file to incidents that can be shown, and finds nothing new the second time", async () => {
    const path = file("requests.csv", series(3_000, 2_500));
    const first = await watch(path, "--check");
    expect(first.code).toBe(4);
    expect(first.files[0]).toMatchObject({
      source: "requests",
      rows: 3_000,
      accepted: 3_000,
      late: 0,
      scoredBefore: 0,
    });
    expect(first.files[0]?.crossings[0]?.startedAtMs).toBeGreaterThanOrEqual(START + 2_500 * 60_000);
    const [incident] = first.incidents;
    expect(incident?.series).toEqual(["requests/value"]);
    const shown = await organism.run("incidents", "show", incident?.id ?? "");
    expect(shown.code).toBe(0);
    for (const part of ["requests/value", "noticed", "decided", "▲", "2026-01-02"])
      expect(shown.stdout).toContain(part);
    expect((await organism.run("incidents", "show", (incident?.id ?? "").slice(-6))).stdout).toBe(shown.stdout);
    const before = await pointsOf("requests");
    expect(before).toHaveLength(3_000);
    const again = await watch(path);
    expect(again.files[0]).toMatchObject({ accepted: 0, late: 0, scoredBefore: 3_000, crossings: [] });
    expect(await pointsOf("requests")).toEqual(before);
  });

  it("goes on with what a file has got since", async () => {
    const path = file("grows.csv", series(1_000));
    await watch(path);
    writeFileSync(path, series(1_200));
    expect((await watch(path)).files[0]).toMatchObject({ rows: 1_200, accepted: 200, late: 0, scoredBefore: 1_000 });
    expect(await pointsOf("grows")).toHaveLength(1_200);
  });

  // Rotated logs and daily exports: the name is the same, the rows are not.
  it("reads a file that was replaced by another from its start", async () => {
    const path = file("daily.csv", series(1_000));
    await watch(path);
    writeFileSync(path, series(1_000).replaceAll("2026-01-", "2026-02-"));
    expect((await watch(path)).files[0]).toMatchObject({ accepted: 1_000, late: 0, scoredBefore: 0 });
  });

  it("counts bad rows and names them by file and line, and takes the rest", async () => {
    const path = file(
      "bad.csv",
      "timestamp,value\n2026-01-01 00:00:00,1\nhello\n2026-01-01 00:01:00,abc\n2026-01-01 00:02:00,NaN\n2026-01-01 00:03:00,inf\n" +
        "2026-01-01 00:05:00,5\n2026-01-01 00:04:00,4\n2026-01-01 00:05:00,5\n2026-01-01 00:06:00,\n2026-01-01 00:07:00,7\n",
    );
    const { code, files } = await watch(path);
    expect(code).toBe(0);
    expect(files[0]).toMatchObject({ rows: 10, accepted: 3, late: 2, rejected: 4 });
    expect(files[0]?.examples.map(({ line }) => line)).toEqual([3, 4, 5, 6]);
    const { stdout } = await organism.run("watch", path);
    expect(stdout).toContain(`${path}:4: "abc" is not a finite number`);
  });

  it("tells what cannot be read, goes on with the other files, and exits with 1", async () => {
    const good = file("good.csv", series(300));
    const binary = file("binary.csv", "\u0000\u0001\u0002\u0000");
    const { code, files, failed } = await watch(join(folder, "none.csv"), folder, binary, file("empty.csv", ""), good);
    expect(code).toBe(1);
    expect(files.map(({ source, accepted }) => [source, accepted])).toEqual([["good", 300]]);
    const told = failed.map(({ error }) => error.message).join("\n");
    for (const reason of ["does not exist", "is a directory", "NUL bytes", "is empty"]) expect(told).toContain(reason);
  });

  it("takes wide files as one source with a series a column", async () => {
    const rows = Array.from({ length: 50 }, (_, i) => `${START + i * 1_000},${i},${-i},text`);
    const { files } = await watch(file("wide.csv", `time,a,b,note\n${rows.join("\n")}\n`));
    expect(files[0]).toMatchObject({ accepted: 100, ignoredColumns: ["note"] });
    expect(await pointsOf("wide", "b")).toHaveLength(50);
  });

  it.each([
    [["x.csv", "--speed", "fast"]],
    [["x.csv", "y.csv", "--name", "z"]],
    [["a/x.csv", "b/x.csv"]],
    [["prometheus"]],
    [["prometheus", "nowhere", "--query", "a=b"]],
    [["prometheus", "http://127.0.0.1:1"]],
    [["prometheus", "http://127.0.0.1:1", "--query", "sum(x)"]],
    [["prometheus", "http://127.0.0.1:1", "--query", "a=b", "--backfill", "long"]],
  ])("refuses %j as wrong usage", async (args) => {
    const { code, stderr } = await organism.run("watch", ...args);
    expect({ code, isTrace: /^\s+at /m.test(stderr) }).toEqual({ code: 2, isTrace: false });
  });

  // A script that only looks at the exit code must not take a typing error in a query for success.
  it("exits with 1 when a long-lived source fails at once, which is watched all the same", async () => {
    const asked = await organism.run("watch", "prometheus", "http://127.0.0.1:1", "--name", "gone", "--query", "a=b");
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain("sources remove gone");
    expect((await organism.run("sources", "remove", "gone")).code).toBe(0);
  });

  // README: watch a file, then `incidents show last`; the organism may have noticed something of this machine before.
  it("shows as the last incident what was noticed last, however old its data is", async () => {
    const now = Math.floor(Date.now() / 60_000) * 60_000;
    const recent = Array.from({ length: 400 }, (_, i) => [now - (400 - i) * 60_000, i < 380 ? 5 + (i % 7) : 900]);
    await call("ml.ingest", { source: "recent", series: [{ name: "value", points: recent }] });
    await expect
      .poll(async () => (await organism.run("incidents", "--json")).stdout, { timeout: 10_000 })
      .toContain("recent/value");
    const { incidents } = await watch(file("lastyear.csv", series(1_000, 900)));
    expect(incidents).toHaveLength(1);
    const { stdout } = await organism.run("incidents", "show", "last", "--json");
    expect((JSON.parse(stdout) as { id: string }).id).toBe(incidents[0]?.id);
  });

  it("says so when a file has nothing new", async () => {
    const path = file("again.csv", series(300));
    await organism.run("watch", path);
    const again = await organism.run("watch", path);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toContain("There was nothing new to score.");
  });

  it("takes lines from standard input as they come, until its end", async () => {
    const child = start("watch", "-", "--name", "shop", "--json");
    const text = textOf(child);
    child.stdin.write(`{"series":"orders","timestamp":${START},"value":1}\n`);
    await expect.poll(() => pointsOf("shop", "orders").catch(() => []), { timeout: 10_000 }).toHaveLength(1);
    child.stdin.end(`not json\n{"timestamp":${START + 1_000},"orders":2,"returns":0.5}\n`);
    expect(await ended(child)).toBe(0);
    expect((JSON.parse(text()) as Watched).files[0]).toMatchObject({
      source: "shop",
      rows: 3,
      accepted: 3,
      rejected: 1,
    });
  });

  it("replays at a speed and stops cleanly with Ctrl-C, its points stored", async () => {
    const child = start("watch", file("slow.csv", series(2_000)), "--speed", "6000x", "--json");
    const text = textOf(child);
    const code = ended(child);
    await expect
      .poll(
        () =>
          pointsOf("slow").then(
            (p) => p.length,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBeGreaterThan(20);
    child.kill("SIGINT");
    expect(await code).toBe(130);
    const stored = await pointsOf("slow");
    expect((JSON.parse(text()) as Watched).files[0]?.accepted).toBe(stored.length);
    expect(stored.length).toBeLessThan(2_000);
  });
});

describe("killed while it watches", () => {
  const ROWS = 150_000;
  const random = seededRandom(Date.now());
  const text = series(ROWS);
  /** Every row once, in order. */
  async function expectWhole(source: string): Promise<void> {
    const points = await pointsOf(source);
    const { series: infos } = await call<{ series: { points: number }[] }>("ml.source", { source });
    expect(infos[0]?.points).toBe(ROWS);
    expect(points.map(([time]) => time)).toEqual(
      Array.from({ length: 100_000 }, (_, i) => START + (ROWS - 100_000 + i) * 60_000),
    );
  }

  it("the command itself, thrice: the same command goes on, nothing is lost or doubled", async () => {
    const path = file("killed.csv", text);
    for (let i = 0; i < 3; i++) {
      const child = start("watch", path);
      const code = ended(child);
      await new Promise((resolve) => setTimeout(resolve, 300 + random.next() * 700));
      child.kill("SIGKILL");
      await code;
    }
    const { files } = await watch(path);
    expect(files[0]).toMatchObject({ rows: ROWS, rejected: 0 });
    await expectWhole("killed");
  });

  it("the ml host: the command waits for it and loses nothing", async () => {
    const child = start("watch", file("mlkilled.csv", text), "--json");
    const out = textOf(child);
    const code = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 500 + random.next() * 500));
    const { hosts } = await call<{ hosts: { name: string; replicas: { pid: number }[] }[] }>("telemetry.status", {});
    process.kill(hosts.find(({ name }) => name === "ml")?.replicas[0]?.pid ?? 0, "SIGKILL");
    expect(await code).toBe(0);
    const [watched] = (JSON.parse(out()) as Watched).files;
    expect((watched?.accepted ?? 0) + (watched?.late ?? 0)).toBe(ROWS);
    await expectWhole("mlkilled");
    // Neither death changed a score: both sources have the same points with the same scores.
    expect(await pointsOf("mlkilled")).toEqual(await pointsOf("killed"));
  });
});

describe("the organism's own traffic", () => {
  // Triage, delivery and sources call services all the time; if they were seen, incidents would cause incidents.
  it("is invisible to the source that watches the services", async () => {
    await watch(file("noisy.csv", series(3_000, 1_000)), "--json");
    await expect
      .poll(async () => (await call<{ agents: { succeeded: number }[] }>("state.agents", {})).agents.length, {
        timeout: 10_000,
      })
      .toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    // organism is called by the coordinator only, each time an incident is acted on.
    const requests = await pointsOf("services", "organism/requests");
    expect(requests.length).toBeGreaterThan(5);
    expect(new Set(requests.map(([, value]) => value))).toEqual(new Set([0]));
    const { incidents } = await call<{ incidents: { series: string[] }[] }>("coordinator.listIncidents", {
      limit: 1_000,
    });
    expect(incidents.flatMap(({ series: names }) => names).filter((name) => name.startsWith("services/"))).toEqual([]);
  });
});

describe("detect", () => {
  const detect = (...args: string[]) => organism.run("detect", ...args);

  it("writes NAB's layout with the file's own times", async () => {
    mkdirSync(join(folder, "realKnownCause"), { recursive: true });
    const source = file(join("realKnownCause", "ambient_temperature_system_failure.csv"), series(2_000, 1_500));
    const out = join(folder, "results");
    expect((await detect(source, "--out", out)).code).toBe(0);
    const lines = readFileSync(
      join(out, "seedcore", "realKnownCause", "seedcore_ambient_temperature_system_failure.csv"),
      "utf8",
    )
      .trim()
      .split("\n");
    const given = readFileSync(source, "utf8").trim().split(/\r?\n/);
    expect(lines[0]).toBe("timestamp,value,anomaly_score");
    expect(lines.map((line) => line.split(",")[0])).toEqual(given.map((line) => line.split(",")[0]));
    for (const line of lines.slice(1)) expect(Number(line.split(",")[2])).toBeGreaterThanOrEqual(0);
  });

  it("scores as the organism does, and draws what it noticed", async () => {
    const path = file("detected.csv", series(3_000, 2_500));
    const stdout = (await detect(path, "--json", "--check")).stdout;
    const [scored] = (JSON.parse(stdout) as { files: { points: number; noticed: { startedAtMs: number }[] }[] }).files;
    const watched = await watch(path);
    expect(scored?.points).toBe(3_000);
    expect(scored?.noticed.map(({ startedAtMs }) => startedAtMs)).toEqual(
      watched.files[0]?.crossings.map(({ startedAtMs }) => startedAtMs),
    );
    const shown = await detect(path, "--check");
    expect(shown.code).toBe(4);
    expect(shown.stdout).toContain("▲");
  });

  it("goes on after files it cannot read, and exits with 1", async () => {
    mkdirSync(join(folder, "sub"), { recursive: true });
    const { code, stdout, stderr } = await detect(
      join(folder, "sub"),
      join(folder, "missing.csv"),
      file("ok.csv", series(250)),
    );
    expect(code).toBe(1);
    expect(stdout).toContain("ok.csv: 250 rows");
    expect(stderr).toContain("is a directory");
    expect(stderr).toContain("does not exist");
    const told = await detect(join(folder, "missing.csv"), "--json");
    const { failed } = JSON.parse(told.stdout) as { failed: { error: { code: string; todo: string[] } }[] };
    expect(failed).toMatchObject([{ error: { code: "SOURCE", todo: [expect.any(String)] } }]);
    expect({ code: told.code, stderr: told.stderr }).toEqual({ code: 1, stderr: "" });
  });
});
