/** The process that outlives another just long enough to end everything that one started. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";

export interface Reaper {
  /** Adds a process group. */
  watch(pid: number): void;
  forget(pid: number): void;
  /** Lets it end what is left, grandchildren included, and waits for it. */
  close(): Promise<void>;
}

/** @param marker `NAME=value`, carried by the environment of everything that it shall end, and of nothing else. */
export function startReaper(marker: string): Reaper {
  const groups = new Set<number>();
  let closing = false;
  let child: ChildProcess;
  const start = () => {
    child = spawn("/bin/sh", [join(import.meta.dirname, "reaper.sh"), marker], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    });
    child.stdin?.on("error", () => {});
    child.on("error", () => {});
    for (const pid of groups) write(`+ ${pid}`);
    child.on("exit", () => {
      if (!closing) start();
    });
  };
  const write = (line: string) => (child.stdin as Writable).write(`${line}\n`);
  start();
  return {
    watch(pid) {
      groups.add(pid);
      write(`+ ${pid}`);
    },
    forget(pid) {
      if (groups.delete(pid)) write(`- ${pid}`);
    },
    close() {
      closing = true;
      return new Promise((resolve) => {
        if (child.exitCode !== null || child.pid === undefined) return resolve();
        child.on("exit", () => resolve());
        child.stdin?.end();
      });
    },
  };
}

/**
 * Ends what an earlier life left behind: every other process that carries the marker. Only for who holds the namespace's
 * lock. @returns the pids that were ended.
 */
export function endLeftovers(marker: string): number[] {
  const needle = Buffer.from(`${marker}\0`);
  const ended: number[] = [];
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return ended;
  }
  for (const name of names) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`).includes(needle)) continue;
      process.kill(pid, "SIGKILL");
      ended.push(pid);
    } catch {
      // It is another user's, or has ended by itself.
    }
  }
  return ended;
}
