/** The process of a detached organism: tells on descriptor 3 how its start goes, then runs until SIGTERM. */
import { closeSync, writeSync } from "node:fs";
import { ConfigError, loadHome } from "./config.ts";
import type { DetachedMessage } from "./detach.ts";
import { runOrganism } from "./organism.ts";
import { AlreadyRunningError, StartupError } from "./startup-error.ts";

const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.on(name, () => {
    // The second one means now; what is left is ended by the reaper.
    if (stop.signal.aborted) process.exit(1);
    stop.abort();
  });
}
process.on("SIGHUP", () => {});

let listening = true;
function tell(message: DetachedMessage): void {
  if (!listening) return;
  try {
    writeSync(3, `${JSON.stringify(message)}\n`);
  } catch {
    // Who started it has gone; that changes nothing for the organism.
    listening = false;
  }
}

try {
  await runOrganism({
    home: loadHome(),
    signal: stop.signal,
    onPhase: (report) => tell({ type: "phase", report }),
    onReady(ready) {
      tell({ type: "ready", ready });
      if (listening) closeSync(3);
      listening = false;
    },
    onNotice: (notice) => console.log(`${new Date().toISOString()} ${notice}`),
  });
} catch (error) {
  if (!stop.signal.aborted) {
    const { message } = error as Error;
    if (error instanceof AlreadyRunningError) tell({ type: "running", run: error.run });
    else if (error instanceof StartupError) tell({ type: "failed", phase: error.phase, message, todo: error.todo });
    else if (error instanceof ConfigError)
      tell({ type: "misconfigured", where: error.where, problems: error.problems });
    else tell({ type: "failed", phase: "configured", message, todo: [] });
    console.error(error);
    process.exitCode = 1;
  }
}
