import { execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

/** A fresh directory that is removed at the end of the scope. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "seedcore-fault-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A file system of a few kilobytes; needs root. */
export async function mountSmallDisk(path: string, kilobytes: number): Promise<AsyncDisposable> {
  const run = promisify(execFile);
  await mkdir(path);
  await run("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "tmpfs", path]);
  return {
    async [Symbol.asyncDispose]() {
      // A process that ends still has its files open for a moment after it is seen as gone.
      for (let tries = 0; ; tries++) {
        const why = await run("umount", [path]).then(
          () => undefined,
          (error: Error) => error,
        );
        if (why === undefined) return;
        if (tries === 100) throw why;
        await sleep(100);
      }
    },
  };
}

export interface RunningWriter {
  /** Resolves once it has acknowledged so many rows. */
  reached(count: number): Promise<void>;
  /** kill -9; the numbers of all rows that it had acknowledged. */
  kill(): Promise<readonly number[]>;
}

export const WRITER = join(import.meta.dirname, "writer.ts");

/** What row `id` says, so that a torn one is recognised. */
export function bodyOf(id: number): string {
  return `row ${id} ${"x".repeat(id % 300)}`;
}

/** Starts `writer.ts` as a process of its own, which speaks into a file: a pipe can be full, and lose what was said. */
export function startWriter(file: string, callers: number): RunningWriter {
  const said = `${file}-said`;
  const output = openSync(said, "w");
  const child = spawn(process.execPath, [WRITER, file, String(callers)], { stdio: ["ignore", output, "pipe"] });
  closeSync(output);
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    errors += chunk;
  });
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const acknowledged = async () =>
    [...(await readFile(said, "utf8")).matchAll(/^ack (\d+)\n/gm)].map((match) => Number(match[1]));
  return {
    async reached(count) {
      while ((await acknowledged()).length < count) {
        if (child.exitCode !== null) throw new Error(`The writer ended by itself: ${errors}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async kill() {
      child.kill("SIGKILL");
      await closed;
      return acknowledged();
    },
  };
}

/**
 * The rows of a copy of the file and its log, so that the original still has to be recovered by who opens it next.
 * @param logLength cuts the copied log to so many bytes
 */
export async function readBack(file: string, logLength?: number): Promise<ReadonlySet<number>> {
  const copy = `${file}-copy`;
  await copyFile(file, copy);
  await copyFile(`${file}-wal`, `${copy}-wal`);
  if (logLength !== undefined) await truncate(`${copy}-wal`, logLength);
  return readRows(copy);
}

/** Opens the file without our code in between: its rows, after SQLite's own check of the whole file. */
function readRows(file: string): ReadonlySet<number> {
  const db = new DatabaseSync(file);
  try {
    const verdict = db.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
    if (verdict !== "ok") throw new Error(`The database is damaged: ${String(verdict)}`);
    if (db.prepare("select 1 from sqlite_schema where name = 'rows'").get() === undefined) return new Set();
    const rows = db.prepare("select id, body from rows").all() as { id: number; body: string }[];
    for (const { id, body } of rows) {
      if (body !== bodyOf(id)) throw new Error(`Row ${id} is not what was written: ${body}`);
    }
    return new Set(rows.map((row) => row.id));
  } finally {
    db.close();
  }
}
