/** `up --detach`: starts the supervisor as a process of its own and waits until it is ready or has failed. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ConfigError, supervisorEnvironment } from "./config.ts";
import type { Home } from "./home.ts";
import type { OrganismReady } from "./organism.ts";
import { programOf } from "./program-path.ts";
import type { Phase, RunFile } from "./run-file.ts";
import type { PhaseReport } from "./startup.ts";
import { AlreadyRunningError, StartupError } from "./startup-error.ts";

/** What a detached supervisor tells who started it, one JSON line each on descriptor 3. */
export type DetachedMessage =
  | { readonly type: "phase"; readonly report: PhaseReport }
  | { readonly type: "ready"; readonly ready: OrganismReady }
  | { readonly type: "running"; readonly run: RunFile | undefined }
  | { readonly type: "misconfigured"; readonly where: string; readonly problems: readonly string[] }
  | { readonly type: "failed"; readonly phase: Phase; readonly message: string; readonly todo: readonly string[] };

/**
 * Resolves with its pid when the organism is ready; it goes on after this process has ended.
 * @throws StartupError, AlreadyRunningError, ConfigError
 */
export async function startDetached(
  home: Home,
  onPhase: (report: PhaseReport) => void,
): Promise<{ readonly pid: number; readonly ready: OrganismReady }> {
  mkdirSync(home.logsDir, { recursive: true, mode: 0o700 });
  const log = openSync(join(home.logsDir, "supervisor.out"), "a", 0o600);
  const child = spawn(process.execPath, [...process.execArgv, programOf("supervisor")], {
    detached: true,
    stdio: ["ignore", log, log, "pipe"],
    env: {
      ...supervisorEnvironment(),
      RAY_NAMESPACE: home.namespace,
      SEEDCORE_HOME: join(home.directory, ".."),
      SEEDCORE_DATA_DIR: home.dataDir,
    },
  });
  closeSync(log);
  const outcome = await new Promise<DetachedMessage>((resolve) => {
    const lines = createInterface({ input: child.stdio[3] as Readable });
    const failed = (message: string) =>
      resolve({
        type: "failed",
        phase: "configured",
        message,
        todo: [`Read ${join(home.logsDir, "supervisor.out")}.`],
      });
    lines.on("line", (line) => {
      const message = JSON.parse(line) as DetachedMessage;
      if (message.type === "phase") onPhase(message.report);
      else resolve(message);
    });
    child.on("error", (error) => failed(error.message));
    child.on("exit", (code, signal) =>
      failed(`The supervisor ended before it was ready (${signal ?? `code ${code}`}).`),
    );
  });
  (child.stdio[3] as Readable).destroy();
  child.unref();
  if (outcome.type === "running") throw new AlreadyRunningError(home.namespace, outcome.run);
  if (outcome.type === "misconfigured") throw new ConfigError(outcome.where, outcome.problems);
  if (outcome.type === "failed") throw new StartupError(outcome.phase, outcome.message, outcome.todo);
  if (outcome.type !== "ready" || child.pid === undefined) throw new TypeError(`unexpected ${outcome.type}`);
  return { pid: child.pid, ready: outcome.ready };
}
