/** The run file says who runs a namespace now. It is a hint that is checked: the lock is what decides. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** How far the start has come; each phase needs the one before it. */
export type Phase = "configured" | "connected" | "migrated" | "bootstrapped" | "deployed" | "ready";

export interface RunFile {
  readonly pid: number;
  /** What the kernel says of the process's start, so that a recycled pid is not mistaken for ours; null where unknown. */
  readonly processStart: string | null;
  readonly startedAtMs: number;
  /** `http://127.0.0.1:7700` */
  readonly gatewayUrl: string;
  readonly dataDir: string;
  readonly version: string;
  readonly namespace: string;
  readonly phase: Phase;
}

/** The run file as it is, whoever wrote it; undefined when there is none or it is not one. */
export function readRunFile(path: string): RunFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const run = JSON.parse(text) as RunFile;
    return Number.isInteger(run.pid) && run.pid > 1 && typeof run.gatewayUrl === "string" ? run : undefined;
  } catch {
    return undefined;
  }
}

/** The run file of a process that is alive; undefined when it is missing, unreadable or stale. */
export function readLiveRunFile(path: string): RunFile | undefined {
  const run = readRunFile(path);
  return run !== undefined && isRunning(run) ? run : undefined;
}

/** Whether the very process that wrote the run file is still alive. */
export function isRunning(run: Pick<RunFile, "pid" | "processStart">): boolean {
  try {
    process.kill(run.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const start = processStartOf(run.pid);
  return start === null || run.processStart === null || start === run.processStart;
}

/** Replaces the run file atomically. */
export function writeRunFile(path: string, run: RunFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

export function removeRunFile(path: string): void {
  rmSync(path, { force: true });
}

/** Clock ticks since boot at which a process started, with a zombie told from the living; null where there is no /proc. */
export function processStartOf(pid: number): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses and may hold anything, so count from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? "zombie" : (fields[19] ?? null);
}
