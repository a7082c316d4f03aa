import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { python } from "./python.ts";

export interface KeptProcess {
  readonly pid: number;
  /** As `ps` shows it; Ray's own processes rename themselves. */
  readonly commandLine: string;
}

/** A process that starts others and kills all of them, and their descendants, when this one ends in whatever way. */
export interface Keeper {
  /** Runs `command` with this environment's Python in front of PATH and waits for its end; what it leaves behind is kept. */
  run(...command: readonly string[]): Promise<number>;
  /** Everything that was started and lives. */
  processes(): readonly KeptProcess[];
  /** Kills everything, removes the folder, and waits until that is done. */
  stop(): Promise<void>;
}

/** Starts a keeper whose commands see `env` and nothing else; their output goes to `folder`/start.log. */
export function startKeeper(folder: string, env: Readonly<Record<string, string | undefined>>): Keeper {
  // In a session of its own: ^C and a kill of the runner's process group must not take the one that cleans up.
  const child = spawn(python, [join(import.meta.dirname, "keeper.py"), folder], {
    env,
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, "close");
  let last: Promise<unknown> = Promise.resolve();

  async function runNow(command: readonly string[]): Promise<number> {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    const answer = await answers.next();
    if (answer.done === true) throw new Error(`The keeper of ${folder} ended while it ran ${command.join(" ")}.`);
    return (JSON.parse(answer.value) as { code: number }).code;
  }

  return {
    run(...command) {
      const result = last.then(() => runNow(command));
      last = result.catch(() => undefined);
      return result;
    },
    processes: () => (child.pid === undefined ? [] : processesBelow(child.pid)),
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
}

function processesBelow(root: number): readonly KeptProcess[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        // The name, in parentheses, may itself hold spaces and parentheses.
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z") return [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return [{ pid: Number(name), parent: Number(parent), commandLine }];
      } catch {
        return []; // It ended while we looked.
      }
    });
  const below = (parent: number): readonly KeptProcess[] =>
    all
      .filter((process) => process.parent === parent)
      .flatMap(({ pid, commandLine }) => [{ pid, commandLine }, ...below(pid)]);
  return below(root);
}
