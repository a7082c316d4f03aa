import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { temporaryDirectory, WRITER } from "./rig.ts";

const run = promisify(execFile);
const hasStrace = await run("strace", ["-V"]).then(
  () => true,
  () => false,
);
const ROWS = 25;

// Surviving kill -9 needs no sync at all; surviving a loss of power does. Only the system calls tell the two apart.
it.skipIf(!hasStrace && process.env["CI"] === undefined)(
  `syncs the log between each write and its acknowledgement (needs strace${hasStrace ? "" : ", which is missing here"})`,
  async () => {
    await using directory = await temporaryDirectory();
    const trace = join(directory.path, "trace");
    const strace = ["-f", "-y", "-s", "40", "-e", "trace=fdatasync,fsync,pwrite64,write", "-o", trace];
    await run("strace", [...strace, process.execPath, WRITER, join(directory.path, "a.db"), "1", String(ROWS)]);
    const events = toEvents(await readFile(trace, "utf8"));
    const start = events.lastIndexOf("ready");
    const story = events.slice(start + 1).join(" ");
    const acknowledgements = story.split("ack").slice(0, ROWS);
    expect(acknowledgements).toHaveLength(ROWS);
    for (const before of acknowledgements) expect(before).toMatch(/write .*sync $/);
  },
);

type Event = "ready" | "ack" | "write" | "sync";

/** What happened to the log, and what was said on standard output, in order. A sync counts when it has returned. */
function toEvents(trace: string): Event[] {
  const events: Event[] = [];
  const syncing = new Set<string>();
  for (const line of trace.split("\n")) {
    const thread = line.slice(0, line.indexOf(" "));
    if (/ write\(1<.*"ready/.test(line)) events.push("ready");
    else if (/ write\(1<.*"ack /.test(line)) events.push("ack");
    else if (/ pwrite64\(.*\.db-wal>/.test(line)) events.push("write");
    else if (/ f(data)?sync\(.*\.db-wal>/.test(line)) {
      if (line.includes("<unfinished")) syncing.add(thread);
      else if (line.endsWith("= 0")) events.push("sync");
    } else if (/ f(data)?sync resumed>.*= 0$/.test(line) && syncing.delete(thread)) events.push("sync");
  }
  return events;
}
