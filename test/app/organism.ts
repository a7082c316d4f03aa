/** A real organism for whole-system tests: started with the launcher, in a home of its own, on a port of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunFile } from "#app/run-file.ts";
import { freePort } from "../free-ports.ts";

const LAUNCHER = join(import.meta.dirname, "..", "..", "bin", "seedcore");

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that is under way. */
export interface RunningCommand {
  readonly ended: Promise<CommandResult>;
  /** Resolves once it has said this on standard error. @throws Error when it ends without */
  untilSaid(text: string): Promise<void>;
}

export class TestOrganism {
  readonly home = mkdtempSync(join(tmpdir(), "seedcore-home-"));
  readonly directory = join(this.home, "seedcore-dev");
  readonly environment: Record<string, string>;

  private constructor(port: number, more: Readonly<Record<string, string>>) {
    const { PATH = "" } = process.env;
    this.environment = { PATH, SEEDCORE_HOME: this.home, SEEDCORE_PORT: String(port), HOME: this.home, ...more };
  }

  /** @param more of the environment */
  static async create(more: Readonly<Record<string, string>> = {}): Promise<TestOrganism> {
    return new TestOrganism(await freePort(), more);
  }

  /** Runs `seedcore …` to its end. */
  run(...args: string[]): Promise<CommandResult> {
    return this.start(...args).ended;
  }

  /** Runs `seedcore …`, to be followed. */
  start(...args: string[]): RunningCommand {
    const child = spawn(LAUNCHER, args, { env: this.environment, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (part: Buffer) => (stdout += part.toString()));
    child.stderr.on("data", (part: Buffer) => (stderr += part.toString()));
    const ended = new Promise<CommandResult>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return {
      ended,
      async untilSaid(text) {
        while (!stderr.includes(text)) {
          const hasEnded = await Promise.race([once(child.stderr, "data").then(() => false), ended.then(() => true)]);
          if (hasEnded && !stderr.includes(text)) throw new Error(`It ended without "${text}":\n${stderr}${stdout}`);
        }
      },
    };
  }

  /** @throws Error with what was printed when it does not start. */
  async up(): Promise<RunFile> {
    const { code, stdout, stderr } = await this.run("up", "--detach");
    if (code !== 0) throw new Error(`up failed with ${code}:\n${stdout}${stderr}`);
    return this.runFile();
  }

  runFile(): RunFile {
    return JSON.parse(readFileSync(join(this.directory, "run.json"), "utf8")) as RunFile;
  }

  token(): string {
    return readFileSync(join(this.directory, "token"), "utf8").trim();
  }

  /** Pids of the organism's processes: what carries its home in its environment and is no command of ours. */
  members(): number[] {
    const needle = `SEEDCORE_HOME=${this.home}\0`;
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => {
        try {
          const of = (file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
          return pid !== process.pid && !/^State:\s+Z/m.test(of("status")) && of("environ").includes(needle);
        } catch {
          return false;
        }
      });
  }

  /** Ends it, whatever state it is in, and forgets what it knew. */
  async destroy(): Promise<void> {
    await this.run("down", "--now");
    for (const pid of this.members()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}
