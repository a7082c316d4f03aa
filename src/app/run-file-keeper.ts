/** The run file of this process, kept true from its start to its end. */
import { rmSync } from "node:fs";
import type { Home } from "./home.ts";
import { type Phase, processStartOf, type RunFile, removeRunFile, writeRunFile } from "./run-file.ts";
import { SEEDCORE_VERSION } from "./version.ts";

export interface RunFileKeeper {
  /** Writes it; from now on it goes with the process. */
  begin(gatewayUrl: string): void;
  reached(phase: Phase): void;
  address(gatewayUrl: string): void;
  remove(): void;
}

export function createRunFileKeeper(home: Home): RunFileKeeper {
  let run: RunFile | undefined;
  const change = (changes: Partial<RunFile>) => {
    if (run === undefined) return;
    run = { ...run, ...changes };
    writeRunFile(home.runFile, run);
  };
  const atExit = () => rmSync(home.runFile, { force: true });
  return {
    begin(gatewayUrl) {
      run = {
        pid: process.pid,
        processStart: processStartOf(process.pid),
        startedAtMs: Date.now(),
        gatewayUrl,
        dataDir: home.dataDir,
        version: SEEDCORE_VERSION,
        namespace: home.namespace,
        phase: "configured",
      };
      writeRunFile(home.runFile, run);
      process.on("exit", atExit);
    },
    reached: (phase) => change({ phase }),
    address: (gatewayUrl) => change({ gatewayUrl }),
    remove() {
      process.off("exit", atExit);
      if (run !== undefined) removeRunFile(home.runFile);
      run = undefined;
    },
  };
}
