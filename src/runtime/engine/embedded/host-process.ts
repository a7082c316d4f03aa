/** One host process: how it is started, spoken to and ended. Knows nothing of slots and generations. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { FromHost, ToHost } from "../../host/control.ts";
import type { HostSpec } from "../host-spec.ts";
import { firstComplaint, lastWords } from "./last-words.ts";

/** What a process is given before it knows what it is for; two specs with equal launches may use each other's process. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

export interface HostProcess {
  /** 0 when it could not be started. */
  readonly pid: number;
  readonly alive: boolean;
  send(message: ToHost): void;
  /** What its log has for a person to act on, until now. */
  words(): string | undefined;
  /** What it has written until now is not among its words any more. */
  forgetWords(): void;
  /** Listens; messages and the exit that came before are told first. One listener at a time. */
  listen(listener: HostListener): void;
  onceExited(task: () => void): void;
  /** Ends the process and its group at once. */
  kill(): void;
}

export interface HostListener {
  message(message: FromHost): void;
  exited(reason: string): void;
}

/** V8's heap stays below the host's memory limit, which also holds what is outside of the heap. */
const HEAP_SHARE = 0.75;

export function toLaunch(
  spec: HostSpec,
  program: readonly string[],
  environment: Readonly<Record<string, string>>,
  logFile: string,
): Launch {
  return {
    command: process.execPath,
    args: [
      ...process.execArgv.filter((flag) => flag.startsWith("--disable-warning")),
      `--max-old-space-size=${Math.floor(spec.memoryMb * HEAP_SHARE)}`,
      ...program,
    ],
    // Fewer malloc arenas keep the resident size of a mostly single-threaded program small.
    env: { MALLOC_ARENA_MAX: "2", ...environment, ...spec.env },
    logFile,
  };
}

/**
 * Starts a host in a process group of its own: standard input and descriptor 3 are the control channel, standard output
 * and error go to the log file. @throws Error when the program or the log file cannot be opened.
 */
export function startHost(launch: Launch): HostProcess {
  mkdirSync(dirname(launch.logFile), { recursive: true });
  const log = openSync(launch.logFile, "a", 0o600);
  const { size: loggedBefore } = fstatSync(log);
  let forgottenBytes = loggedBefore;
  let child: ChildProcess;
  try {
    child = spawn(launch.command, launch.args, {
      detached: true,
      stdio: ["pipe", log, log, "pipe"],
      env: { ...launch.env },
    });
  } finally {
    closeSync(log);
  }
  const pid = child.pid;
  const input = child.stdin as Writable;
  let listener: HostListener | undefined;
  const waiting: ((to: HostListener) => void)[] = [];
  const tell = (what: (to: HostListener) => void) => {
    if (listener) what(listener);
    else waiting.push(what);
  };

  // Writing to a host that has just died is no news: its exit is.
  input.on("error", () => {});
  createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
    const message = parseMessage(line);
    if (message) tell((to) => to.message(message));
  });
  let failure: string | undefined;
  let alive = pid !== undefined;
  child.on("error", (error) => {
    failure = error.message;
    if (pid === undefined) tell((to) => to.exited(error.message));
  });
  // "exit" and not "close": a grandchild may hold the pipes open.
  child.on("exit", (code, signal) => {
    alive = false;
    killGroup(pid);
    const ended = signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`;
    const words = code === 0 ? undefined : lastWords(launch.logFile, loggedBefore);
    const reason = failure ?? (words === undefined ? ended : `${words} (${ended})`);
    tell((to) => to.exited(reason));
  });

  return {
    pid: pid ?? 0,
    get alive() {
      return alive;
    },
    send(message) {
      if (input.writable) input.write(`${JSON.stringify(message)}\n`);
    },
    words: () => firstComplaint(launch.logFile, forgottenBytes),
    forgetWords() {
      forgottenBytes = statSync(launch.logFile, { throwIfNoEntry: false })?.size ?? 0;
    },
    listen(next) {
      listener = next;
      for (const what of waiting.splice(0)) what(next);
    },
    onceExited: (task) => void child.once("exit", task),
    kill() {
      if (alive) killGroup(pid);
    },
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A line a program wrote to descriptor 3 by mistake must not end the supervisor. */
function parseMessage(line: string): FromHost | undefined {
  try {
    return JSON.parse(line) as FromHost;
  } catch {
    return undefined;
  }
}
