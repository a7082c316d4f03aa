/** What an organism needs of its machine and its files: one finding after another. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { whyTaken } from "#runtime/engine/embedded/port-owner.ts";
import { formatDuration } from "#core/duration.ts";
import { ConfigError, loadConfig, loadConnectSettings } from "../config.ts";
import type { Home } from "../home.ts";
import { isRunning, readRunFile, type RunFile } from "../run-file.ts";
import { SEEDCORE_VERSION } from "../version.ts";
import { formatAgo, formatBytes, formatTime } from "./format.ts";

export interface Finding {
  readonly check: string;
  /** note: works, and may not for long. */
  readonly state: "ok" | "note" | "bad";
  readonly text: string;
  readonly todo?: string;
}

type Found = Omit<Finding, "check">;
type Check = [string, () => Found | Promise<Found>];

const LEAST_NODE = [22, 19] as const;
const LEAST_FREE_BYTES = { bad: 100e6, note: 1e9 };
const TOKEN_NOTE_MS = 30 * 86_400_000;

export async function* diagnose(home: Home): AsyncGenerator<Finding> {
  const run = readRunFile(home.runFile);
  const live = run !== undefined && isRunning(run) ? run : undefined;
  const { rayAddress } = loadConnectSettings();
  const checks: Check[] = [
    ["node", checkNode],
    ["bundle", checkBundle],
    ["clock", () => checkClock(home)],
    ["data", () => checkData(home)],
    ["disk", () => checkDisk(home)],
    ["config", () => checkConfig(home)],
    // On Ray what runs, and where it listens, is the cluster's to say.
    ...(rayAddress === undefined
      ? ([
          ["run file", () => checkRun(home, run, live)],
          ["port", () => checkPort(home, live)],
        ] satisfies Check[])
      : []),
    ["token", () => checkToken(home)],
    ...databasesOf(home).map((file): [string, () => Found] => ["database", () => checkDatabase(file)]),
  ];
  for (const [check, look] of checks) {
    try {
      yield { check, ...(await look()) };
    } catch (error) {
      yield { check, state: "bad", text: `It cannot be checked: ${(error as Error).message}` };
    }
  }
  if (rayAddress === undefined) return;
  const { diagnoseRay } = await import("./diagnose-ray.ts");
  yield* diagnoseRay(home, rayAddress);
}

function checkNode(): Found {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNew = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const text = `${process.version} at ${process.execPath}`;
  return isNew ? { state: "ok", text } : { state: "bad", text, todo: `Install Node ${LEAST_NODE.join(".")} or newer.` };
}

function checkBundle(): Found {
  if (import.meta.filename.endsWith(".ts"))
    return { state: "note", text: `SeedCore ${SEEDCORE_VERSION}, from its sources` };
  const { mtimeMs } = statSync(import.meta.filename);
  return { state: "ok", text: `SeedCore ${SEEDCORE_VERSION}, built ${formatAgo(mtimeMs, Date.now())}` };
}

/** A clock that went back makes new points late and tokens invalid. */
function checkClock(home: Home): Found {
  const nowMs = Date.now();
  const written = [home.runFile, home.tokenFile, import.meta.filename, ...databasesOf(home)]
    .filter((file) => existsSync(file))
    .map((file) => ({ file, atMs: statSync(file).mtimeMs }));
  const ahead = written.find(({ atMs }) => atMs > nowMs + 60_000);
  if (ahead === undefined) return { state: "ok", text: formatTime(nowMs) };
  return {
    state: "bad",
    text: `It is ${formatTime(nowMs)}, but ${ahead.file} was written ${formatDuration(ahead.atMs - nowMs)} after that.`,
    todo: "Set the clock right (timedatectl), then start again.",
  };
}

function checkData(home: Home): Found {
  const existing = nearestExisting(home.dataDir);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch {
    return {
      state: "bad",
      text: `${existing} may not be written.`,
      todo: `Give this user the right, or set SEEDCORE_HOME to another folder.`,
    };
  }
  const text = existing === home.dataDir ? home.dataDir : `${home.dataDir} (made at the first start)`;
  return { state: "ok", text };
}

function checkDisk(home: Home): Found {
  const folder = nearestExisting(home.dataDir);
  const { bavail, bsize } = statfsSync(folder);
  const freeBytes = bavail * bsize;
  const text = `${formatBytes(freeBytes)} free at ${folder}`;
  if (freeBytes >= LEAST_FREE_BYTES.note) return { state: "ok", text };
  const todo = "Make room: without it nothing more is acknowledged.";
  return { state: freeBytes < LEAST_FREE_BYTES.bad ? "bad" : "note", text, todo };
}

async function checkConfig(home: Home): Promise<Found> {
  try {
    await loadConfig(home);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { state: "bad", text: `${home.configFile} cannot be used.`, todo: error.problems.join(" ") };
  }
  return {
    state: "ok",
    text: existsSync(home.configFile) ? home.configFile : `defaults (there is no ${home.configFile})`,
  };
}

function checkRun(home: Home, run: RunFile | undefined, live: RunFile | undefined): Found {
  if (live !== undefined) {
    return {
      state: "ok",
      text: `The organism "${home.namespace}" runs: pid ${live.pid}, ${live.gatewayUrl}, ${live.phase}`,
    };
  }
  if (run === undefined)
    return { state: "ok", text: `No organism runs in "${home.namespace}".`, todo: "Start one: seedcore up" };
  return {
    state: "note",
    text: `The organism "${home.namespace}" has ended without saying so: process ${run.pid} is gone.`,
    todo: "Start it again, which tidies up: seedcore up",
  };
}

async function checkPort(home: Home, live: RunFile | undefined): Promise<Found> {
  if (live !== undefined) {
    const answered = await fetch(`${live.gatewayUrl}/-/ready`, { signal: AbortSignal.timeout(4_000) }).catch(
      () => undefined,
    );
    if (answered?.status === 200) return { state: "ok", text: `${live.gatewayUrl} answers and is ready` };
    const text =
      answered === undefined ? `${live.gatewayUrl} does not answer.` : `${live.gatewayUrl} answers, but is not ready.`;
    return { state: "bad", text, todo: "Look at: seedcore status, then: seedcore logs" };
  }
  const { port, bindAddress } = await loadConfig(home);
  const why = port === 0 ? undefined : await whyTaken(port, bindAddress);
  if (why === undefined) return { state: "ok", text: `${port} on ${bindAddress} is free` };
  return { state: "bad", text: why, todo: "End that process, or choose another port: SEEDCORE_PORT=7800 seedcore up" };
}

function checkToken(home: Home): Found {
  if (!existsSync(home.tokenFile)) return { state: "ok", text: "none yet (made at the first start)" };
  const { mode } = statSync(home.tokenFile);
  if ((mode & 0o077) !== 0) {
    return { state: "bad", text: `${home.tokenFile} can be read by others.`, todo: `chmod 600 ${home.tokenFile}` };
  }
  const claims = claimsOf(readFileSync(home.tokenFile, "utf8"));
  const again = { todo: `Remove ${home.tokenFile}; the next start makes a new one.` };
  if (claims === undefined) return { state: "bad", text: `${home.tokenFile} holds no token.`, ...again };
  const leftMs = (claims.exp ?? Number.POSITIVE_INFINITY) * 1_000 - Date.now();
  if (leftMs <= 0) return { state: "bad", text: `The token has expired ${formatDuration(-leftMs)} ago.`, ...again };
  const text = `of "${claims.sub}", valid for ${formatDuration(leftMs)}`;
  return leftMs < TOKEN_NOTE_MS ? { state: "note", text, ...again } : { state: "ok", text };
}

function claimsOf(token: string): { sub?: string; exp?: number } | undefined {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { sub?: string; exp?: number };
  } catch {
    return undefined;
  }
}

function databasesOf(home: Home): string[] {
  if (!existsSync(home.dataDir)) return [];
  return readdirSync(home.dataDir)
    .filter((name) => name.endsWith(".db"))
    .map((name) => join(home.dataDir, name));
}

/** SQLite's quick check: pages and structure, not every index entry. */
function checkDatabase(file: string): Found {
  const text = `${file}, ${formatBytes(bytesOf(file))}`;
  const todo = "Stop the organism, keep a copy of the file, and restore it from a backup.";
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    try {
      const rows = database.prepare("PRAGMA quick_check(5)").all() as { quick_check: string }[];
      const problems = rows.map((row) => row.quick_check).filter((said) => said !== "ok");
      return problems.length === 0
        ? { state: "ok", text }
        : { state: "bad", text: `${text}: ${problems.join("; ")}`, todo };
    } finally {
      database.close();
    }
  } catch (error) {
    return { state: "bad", text: `${text}: ${(error as Error).message}`, todo };
  }
}

/** With what is still in the write-ahead log. */
function bytesOf(file: string): number {
  return [file, `${file}-wal`].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}
