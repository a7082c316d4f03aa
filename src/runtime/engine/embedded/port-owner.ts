/** Whether a port is free, and if not, whose it is. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/** @returns why the port cannot be had, or undefined when it is free. */
export function whyTaken(port: number, address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(`Port ${port} is taken by ${ownerOfPort(port) ?? "another process"}.`);
      else if (error.code === "EACCES") resolve(`Port ${port} may only be used by root.`);
      else if (error.code === "EADDRNOTAVAIL") resolve(`${address} is no address of this machine.`);
      else resolve(`Port ${port} on ${address} cannot be used: ${error.message}.`);
    });
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** Program and pid that listen on a port, as far as this user may see; Linux only. */
export function ownerOfPort(port: number): string | undefined {
  const inodes = new Set<string>();
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of read(table).split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === "0A" && local?.endsWith(suffix) && inode !== undefined) inodes.add(`socket:[${inode}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of list(`/proc/${pid}/fd`)) {
      if (inodes.has(link(`/proc/${pid}/fd/${fd}`))) return `${programOf(pid)} (pid ${pid})`;
    }
  }
  return undefined;
}

/** A program is known by the file it runs; the name of its main thread says nothing of a Node.js one. */
function programOf(pid: string): string {
  const [program = ""] = read(`/proc/${pid}/cmdline`).split("\0");
  return program.slice(program.lastIndexOf("/") + 1) || read(`/proc/${pid}/comm`).trim();
}

// What another user's process has open cannot be seen, and processes end while one looks.
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
