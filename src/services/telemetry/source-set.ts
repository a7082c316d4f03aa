/** The sources that run in this process: those of the table, while it owns them. */
import type { SourceSpec, SourceStatus } from "#contracts/telemetry.ts";
import { runSource, type RunnerDeps, type SourceRunner } from "./source-runner.ts";
import type { Source } from "./source.ts";
import type { StoredSource } from "./store.ts";

export interface OpenedSource {
  readonly source: Source;
  readonly close?: () => Promise<void>;
}

/** Opens what a source of this spec reads. `close` is called when it has ended. */
export type OpenSource = (spec: SourceSpec) => OpenedSource;

export interface SourceSet {
  /** Runs the source, in place of one of the same name. */
  start(stored: StoredSource): Promise<void>;
  stop(name: string): Promise<void>;
  stopAll(): Promise<void>;
  status(name: string): SourceStatus | undefined;
  list(): SourceStatus[];
}

interface Running extends SourceRunner {
  readonly close: () => Promise<void>;
}

export function createSourceSet(open: OpenSource, deps: RunnerDeps): SourceSet {
  const running = new Map<string, Running>();

  const stop = async (name: string): Promise<void> => {
    const runner = running.get(name);
    running.delete(name);
    await runner?.stop();
    await runner?.close();
  };

  return {
    async start(stored) {
      await stop(stored.name);
      const { source, close } = openLate(open, stored.spec);
      running.set(stored.name, { ...runSource(stored, source, deps), close });
    },
    stop,
    async stopAll() {
      await Promise.all([...running.keys()].map(stop));
    },
    status: (name) => running.get(name)?.status(),
    list: () => [...running.values()].map((runner) => runner.status()),
  };
}

/** Opens inside the run, so that what cannot be opened (an address, a secret) shows as failing and is tried again. */
function openLate(open: OpenSource, spec: SourceSpec): Required<OpenedSource> {
  let opened: OpenedSource | undefined;
  return {
    source: async (run) => {
      opened ??= open(spec);
      await opened.source(run);
    },
    close: async () => opened?.close?.(),
  };
}
