import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Clock } from "#core/clock.ts";
import { startReaper } from "#runtime/engine/embedded/reaper.ts";
import { ORGANS } from "../organs.ts";
import { defineSkill, type Skill, SkillFailed } from "../skill.ts";

/** A command that the configuration allows. */
export const CommandConfig = z.strictObject({
  /** Program and arguments; there is no shell. */
  argv: z.array(z.string()).min(1).max(100),
  cwd: z.string().optional(),
  env: z.record(z.string(), z.string()).default({}),
  timeoutMs: z.int().min(100).max(290_000).default(30_000),
  /** Name of the command that takes it back; it may be run though nobody saw whether this one was. */
  undo: z.string().optional(),
});
export type CommandConfig = z.output<typeof CommandConfig>;

/** The same wherever the organism was started; nothing of its own environment is passed on. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Of standard output and error together, the end. */
const MAX_OUTPUT_BYTES = 16 * 1024;
/** Between the request to end and the end. */
const GRACE_MS = 2_000;
/** As long as any task may take: a command's own time is less, and with the grace. */
const SKILL_TIMEOUT_MS = 300_000;
const LINES_TOLD = 5;

/**
 * Runs a command of the configuration: in a process group of its own, with a bounded output and time. When it ends, or must
 * end, or this process does, however that came, so does all that it has started.
 */
export function runCommand(commands: () => Readonly<Record<string, CommandConfig>>): Skill {
  return defineSkill({
    name: "run-command",
    summary: "Runs a command that the configuration names, on the machine of the organism's service.",
    organ: ORGANS.actuator.id,
    risk: "high",
    idempotent: false,
    timeoutMs: SKILL_TIMEOUT_MS,
    effectCheck: "It exited with 0.",
    remedies: [],
    repairs: true,
    targetParam: "target",
    canUndo: true,
    params: z.strictObject({
      command: z.string().min(1).max(100),
      /** Given to it as SEEDCORE_TARGET. */
      target: z.string().max(200).default(""),
    }),
    async undoOf({ command, target }) {
      const known = commands();
      const undo = Object.hasOwn(known, command) ? known[command]?.undo : undefined;
      return undo === undefined ? null : { skill: "run-command", params: { command: undo, target } };
    },
    async execute({ command, target }, { taskId, clock, signal }) {
      const known = commands();
      const config = Object.hasOwn(known, command) ? known[command] : undefined;
      if (config === undefined) throw new SkillFailed(unknownCommand(command, Object.keys(known)), false);
      const env = { PATH: DEFAULT_PATH, ...config.env, SEEDCORE_TASK: taskId, SEEDCORE_TARGET: target };
      const ended = await run(config, env, clock, signal);
      const said = lastLines(ended.output);
      if (ended.kind === "not started")
        throw new SkillFailed(`"${command}" could not be started: ${ended.reason}.`, false);
      if (ended.kind === "too long") {
        throw new SkillFailed(`"${command}" was ended after ${config.timeoutMs} ms. It said: ${said}`, false);
      }
      if (ended.code !== 0) {
        const how = ended.code === null ? `was ended by ${ended.signal}` : `exited with ${ended.code}`;
        throw new SkillFailed(`"${command}" ${how}. It said: ${said}`, false);
      }
      return {
        result: { command, output: ended.output },
        effect: { state: "confirmed", evidence: `"${command}" exited with 0.` },
        change: { kind: "command", target, summary: `The command "${command}" was run.` },
      };
    },
  });
}

type Ended =
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: string | null; readonly output: string }
  | { readonly kind: "too long"; readonly output: string }
  | { readonly kind: "not started"; readonly reason: string; readonly output: string };

/** @throws the signal's reason when it aborts; all that it has started has ended then */
async function run(
  { argv: [program = "", ...args], cwd, timeoutMs }: CommandConfig,
  env: Record<string, string>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Ended> {
  // What leaves the group, as daemons do, still carries this; the reaper looks for it also when this process was killed.
  const mark = randomUUID();
  const reaper = startReaper(`SEEDCORE_COMMAND=${mark}`);
  const child = spawn(program, args, {
    cwd,
    env: { ...env, SEEDCORE_COMMAND: mark },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) reaper.watch(child.pid);
  let output = "";
  const keep = (piece: Buffer) => {
    output = (output + piece.toString()).slice(-MAX_OUTPUT_BYTES);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  let isTooLong = false;
  let cancelKill = () => {};
  const stop = () => {
    endGroup(child.pid, "SIGTERM");
    cancelKill();
    cancelKill = clock.after(GRACE_MS, () => endGroup(child.pid, "SIGKILL"));
  };
  const cancelTimer = clock.after(timeoutMs, () => {
    isTooLong = true;
    stop();
  });
  signal.addEventListener("abort", stop, { once: true });
  // Not "close": a child of it that stays keeps the pipes open.
  const ended = await new Promise<Ended>((resolve) => {
    child.once("error", (error) => resolve({ kind: "not started", reason: error.message, output }));
    child.once("exit", (code, by) => resolve({ kind: "exited", code, signal: by, output }));
  });
  cancelTimer();
  // From here on the group's number may be given to others.
  cancelKill();
  signal.removeEventListener("abort", stop);
  endGroup(child.pid, "SIGKILL");
  if (child.pid !== undefined) reaper.forget(child.pid);
  await reaper.close();
  // What it had said before it ended may still be in the pipes.
  await new Promise((resolve) => setImmediate(resolve));
  child.stdout.destroy();
  child.stderr.destroy();
  signal.throwIfAborted();
  if (ended.kind === "not started") return ended;
  return isTooLong ? { kind: "too long", output } : { ...ended, output };
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody of it is left.
  }
}

function lastLines(output: string): string {
  const lines = output.trim().split("\n").slice(-LINES_TOLD);
  return lines.join(" / ") || "nothing";
}

function unknownCommand(command: string, known: readonly string[]): string {
  const there = known.length === 0 ? "None is configured" : `There are: ${known.join(", ")}`;
  return `There is no command "${command}". ${there}; services.organism.commands of the configuration names them.`;
}
