/** Follows the configuration file while the organism runs. */
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Refusal } from "#contracts/policy.ts";
import type { Logger } from "#runtime/telemetry/logger.ts";
import { type Config, ConfigError, loadConfig } from "./config.ts";

export interface ConfigWatchOptions {
  readonly initial: Config;
  readonly log: Logger;
  /** Makes a changed configuration take effect. */
  apply(next: Config, previous: Config): Promise<void>;
  /** Told of a file that cannot be used and changes nothing, with what stands; of undefined once it can be again. */
  refused(refusal: Refusal | undefined, applied: Config): void;
  /** Told what a person at the terminal should know. */
  onNotice(notice: string): void;
}

/** An editor writes in several steps. */
const GATHER_MS = 100;

/**
 * Calls `apply` for every valid change since `initial` was read; an invalid file changes nothing and is told. Returns
 * how to stop.
 */
export function watchConfig({ initial, log, apply, refused, onNotice }: ConfigWatchOptions): () => void {
  const { home } = initial;
  let applied = initial;
  let isRefused = false;
  let pending: NodeJS.Timeout | undefined;
  let last: Promise<void> = Promise.resolve();
  const look = async () => {
    try {
      const next = await loadConfig(home);
      if (JSON.stringify(next) === JSON.stringify(applied)) {
        if (isRefused) refused(undefined, applied);
        isRefused = false;
        return;
      }
      isRefused = false;
      await apply(next, applied);
      applied = next;
      log.info({ file: home.configFile }, "the configuration file was applied");
      onNotice(`${home.configFile} was applied.`);
    } catch (error) {
      if (error instanceof ConfigError) {
        isRefused = true;
        refused({ atMs: Date.now(), source: home.configFile, problems: [...error.problems] }, applied);
      }
      log.error({ err: error }, "the configuration file was not applied; the last good one stands");
      const why = error instanceof ConfigError ? error.problems.join(" ") : (error as Error).message;
      onNotice(`${home.configFile} was not applied, the last good one stands: ${why}`);
    }
  };
  // The folder and not the file: an editor that replaces the file would take the watch with it.
  const watcher = watch(dirname(home.configFile), (_event, name) => {
    if (name !== null && name !== basename(home.configFile)) return;
    clearTimeout(pending);
    pending = setTimeout(() => (last = last.then(look)), GATHER_MS);
  });
  watcher.on("error", (error) => log.error({ err: error }, "the configuration file is no longer watched"));
  // What changed between the reading of `initial` and now told nobody.
  last = look();
  return () => {
    clearTimeout(pending);
    watcher.close();
  };
}
