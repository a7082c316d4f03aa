import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Clock, systemClock } from "#core/clock.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createMemoryLogger } from "#testing/memory-logger.ts";
import { SkillFailed } from "../skill.ts";
import { CommandConfig, runCommand } from "./run-command.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "seedcore-command-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function execute(
  script: string,
  more: Partial<CommandConfig> = {},
  signal = new AbortController().signal,
  clock: Clock = systemClock,
) {
  const config = CommandConfig.parse({ argv: ["/bin/sh", "-c", script], cwd: folder, ...more });
  const skill = runCommand(() => ({ it: config }));
  return skill.execute(
    { command: "it", target: "web-1" },
    { taskId: "task_1", signal, clock, log: createMemoryLogger() },
  );
}

const pidIn = (file: string): number => Number(readFileSync(join(folder, file), "utf8"));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended and that nobody has waited for is not alive.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const ended = (file: string) => vi.waitFor(() => expect(isAlive(pidIn(file))).toBe(false), { timeout: 5_000 });

it("runs it with what it needs to know and nothing of the organism's, and tells what it said", async () => {
  vi.stubEnv("SEEDCORE_TOKEN", "secret");
  const { result, effect } = await execute('echo "$SEEDCORE_TASK $SEEDCORE_TARGET [$SEEDCORE_TOKEN] $A"', {
    env: { A: "b" },
  });
  vi.unstubAllEnvs();
  expect(result).toMatchObject({ output: "task_1 web-1 [] b\n" });
  expect(effect.state).toBe("confirmed");
});

it("fails with how it ended and the last it said", async () => {
  await expect(execute("echo one; echo two >&2; exit 3")).rejects.toThrow(/"it" exited with 3\. It said: .*two/s);
  await expect(execute("", { argv: ["/none"] })).rejects.toThrow(/could not be started: .*ENOENT/);
  await expect(execute("kill -9 $$")).rejects.toBeInstanceOf(SkillFailed);
});

// It held the answer until its child ended, and the child for ever.
it("leaves nothing behind of a command that forks and stays", async () => {
  const { effect } = await execute("sleep 600 & echo $! > child");
  expect(effect.state).toBe("confirmed");
  await ended("child");
});

// It left the group, and nothing looked for it elsewhere.
it("leaves nothing behind of a command whose child made itself a session of its own", async () => {
  const { effect } = await execute("setsid sh -c 'echo $$ > child; exec sleep 600' & until test -s child; do :; done");
  expect(effect.state).toBe("confirmed");
  await ended("child");
});

// Whoever counted its time was gone, and it ran on for ever.
it("ends one whose organism was killed, with those that left its group", async () => {
  const script = "echo $$ > own; setsid sh -c 'echo $$ > child; exec sleep 600' & sleep 600";
  const program = `
    import { systemClock } from "#core/clock.ts";
    import { CommandConfig, runCommand } from "${import.meta.dirname}/run-command.ts";
    const config = CommandConfig.parse({ argv: ["/bin/sh", "-c", ${JSON.stringify(script)}], cwd: ${JSON.stringify(folder)} });
    const signal = new AbortController().signal;
    await runCommand(() => ({ it: config })).execute({ command: "it", target: "" }, { taskId: "t", signal, clock: systemClock });
  `;
  const core = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], { stdio: "inherit" });
  await vi.waitFor(() => expect(existsSync(join(folder, "child")) && pidIn("child")).toBeGreaterThan(0), 15_000);
  core.kill("SIGKILL");
  await ended("own");
  await ended("child");
});

it("ends one that takes too long with its children, also when they do not want to", async () => {
  const deaf = "trap '' TERM; (trap '' TERM; sleep 600) & echo $! > child; echo waiting; wait";
  await expect(execute(deaf, { timeoutMs: 300 })).rejects.toThrow(/was ended after 300 ms\. It said: waiting/);
  await ended("child");
});

it("ends it when its execution is cancelled", async () => {
  const stop = new AbortController();
  const running = execute("echo $$ > own; sleep 600", {}, stop.signal);
  await vi.waitFor(() => expect(pidIn("own")).toBeGreaterThan(0), 15_000);
  stop.abort(new Error("cancelled"));
  await expect(running).rejects.toThrow("cancelled");
  await ended("own");
});

// Two seconds later it hit whoever had the number by then.
it("aims at its group no longer than that is there", async () => {
  const clock = createFakeClock();
  const stop = new AbortController();
  const running = execute("echo $$ > own; sleep 600", {}, stop.signal, clock);
  await vi.waitFor(() => expect(pidIn("own")).toBeGreaterThan(0), 15_000);
  stop.abort(new Error("cancelled"));
  await expect(running).rejects.toThrow("cancelled");
  expect(clock.pending).toBe(0);
});

it("keeps the end of what is said too much", async () => {
  const { result } = await execute("yes | head -c 1000000; echo end");
  const { output } = result as { output: string };
  expect(output.length).toBeLessThanOrEqual(16 * 1024);
  expect(output).toMatch(/end\n$/);
});

it("runs nothing that is not configured", async () => {
  const skill = runCommand(() => ({}));
  const context = { taskId: "t", signal: new AbortController().signal, clock: systemClock, log: createMemoryLogger() };
  await expect(skill.execute({ command: "toString", target: "" }, context)).rejects.toThrow(
    'There is no command "toString". None is configured',
  );
});

// Its process died: nobody knew any more how it is taken back.
it("knows what takes it back before it runs", async () => {
  const commands = { drain: CommandConfig.parse({ argv: ["drain"], undo: "fill" }) };
  const skill = runCommand(() => commands);
  const undo = { skill: "run-command", params: { command: "fill", target: "stock" } };
  expect(await skill.undoOf?.({ command: "drain", target: "stock" })).toEqual(undo);
  expect(await skill.undoOf?.({ command: "fill", target: "stock" })).toBeNull();
});
