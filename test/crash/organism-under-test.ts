/** The real organism in a home of its own: started by its launcher, killed by the process. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { resolveHome, type Home } from "#app/home.ts";
import { readLiveRunFile } from "#app/run-file.ts";
import { freePort } from "../free-ports.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 10;

/** No sources of its own: every point is a writer's. Incidents end soon, so that a long run does not drag them along. */
const CONFIGURATION = {
  services: { telemetry: { watch: [] }, coordinator: { incidents: { quietMs: 5_000, holdMs: 5_000 } } },
};

export class OrganismUnderTest implements AsyncDisposable {
  readonly home: Home;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #marker: string;
  readonly #directory: string;
  readonly #commands = new Set<ChildProcess>();

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.home = resolveHome({ home: directory, namespace: "crash" });
    this.#environment = {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      SEEDCORE_HOME: directory,
      SEEDCORE_NS: this.home.namespace,
      SEEDCORE_PORT: String(port),
    };
    this.#marker = `SEEDCORE_ORGANISM=${createHash("sha256").update(this.home.directory).digest("hex").slice(0, 16)}`;
    mkdirSync(this.home.directory, { recursive: true });
    writeFileSync(this.home.configFile, JSON.stringify(CONFIGURATION));
  }

  static async create(): Promise<OrganismUnderTest> {
    return new OrganismUnderTest(mkdtempSync(join(tmpdir(), "seedcore-crash-")), await freePort());
  }

  /** Resolves when it is ready, with the pid of its supervisor. */
  async start(options: { readonly detached: boolean }): Promise<number> {
    const command = this.run(["up", ...(options.detached ? ["--detach"] : [])], "up.out");
    const until = performance.now() + READY_WITHIN_MS;
    while (performance.now() < until) {
      const run = readLiveRunFile(this.home.runFile);
      if (run?.phase === "ready") return run.pid;
      if (command.process.exitCode !== null && command.process.exitCode !== 0) break;
      await sleep(LOOK_EVERY_MS);
    }
    throw new Error(`the organism did not start; its output is in ${join(this.home.directory, "up.out")}`);
  }

  /** Runs a command of the launcher; what it prints goes to a file in the organism's folder. */
  run(
    args: readonly string[],
    outputName: string,
  ): { process: ChildProcess; outputFile: string; ended: Promise<number> } {
    const outputFile = join(this.home.directory, outputName);
    const output = openSync(outputFile, "a");
    const child = spawn(join(ROOT, "bin", "seedcore"), args, {
      cwd: this.home.directory,
      env: this.#environment,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    this.#commands.add(child);
    const ended = new Promise<number>((resolve) => {
      child.on("exit", (code, signal) => {
        this.#commands.delete(child);
        resolve(signal === null ? (code ?? 1) : 128);
      });
    });
    return { process: child, outputFile, ended };
  }

  /**
   * Every living process of this organism but the commands that were run here: by the marker that its hosts and reaper
   * carry, or by its folder in their environment or command line.
   */
  members(): number[] {
    const own = new Set([...this.#commands].map(({ pid }) => pid).filter((pid) => pid !== this.supervisorPid()));
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && pid !== process.pid && !own.has(pid) && this.#isOurs(pid));
  }

  /** The supervisor that the run file names, alive or not. */
  supervisorPid(): number | undefined {
    try {
      return (JSON.parse(readFileSync(this.home.runFile, "utf8")) as { pid: number }).pid;
    } catch {
      return undefined;
    }
  }

  /** The owner's token. */
  token(): string {
    return readFileSync(this.home.tokenFile, "utf8").trim();
  }

  /** kill -9; resolves when the process is gone. */
  async kill(pid: number): Promise<void> {
    if (!this.#isOurs(pid)) throw new Error(`process ${pid} does not belong to the organism`);
    process.kill(pid, "SIGKILL");
    while (this.#isOurs(pid)) await sleep(1);
  }

  #isOurs(pid: number): boolean {
    try {
      const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
      if (/^State:\s+[ZX]/m.test(read("status"))) return false;
      const text = `${read("environ")}\0${read("cmdline")}`;
      return text.includes(this.#marker) || text.includes(this.#directory);
    } catch {
      return false;
    }
  }

  /** Ends what is left and removes everything, or keeps the files for a look. */
  async close(options: { readonly keepFiles: boolean }): Promise<void> {
    // The supervisor first: the reaper then ends the rest, as after any death.
    const supervisor = this.supervisorPid();
    if (supervisor !== undefined && this.#isOurs(supervisor)) await this.kill(supervisor);
    for (const command of this.#commands) command.kill("SIGKILL");
    const until = performance.now() + 5_000;
    while (this.members().length > 0 && performance.now() < until) await sleep(LOOK_EVERY_MS);
    for (const pid of this.members()) await this.kill(pid);
    if (!options.keepFiles) rmSync(this.#directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ keepFiles: false });
  }
}
