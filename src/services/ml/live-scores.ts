/** Scored points on their way to who is watching: in memory only, and a slow watcher loses points rather than slowing ml. */
import { ServiceError } from "#core/service-error.ts";

export interface LiveScore {
  readonly series: string;
  readonly timestampMs: number;
  readonly value: number;
  readonly score: number;
}

/** Events a watcher may be behind before its oldest are dropped. */
const BACKLOG = 10_000;

interface Watcher {
  /** Undefined for all of the source. */
  readonly series: ReadonlySet<string> | undefined;
  readonly backlog: LiveScore[];
  isDismissed: boolean;
  wake: () => void;
}

export function createLiveScores() {
  const watchers = new Map<string, Set<Watcher>>();
  return {
    isWatched: (source: string): boolean => watchers.has(source),

    publish(source: string, scores: readonly LiveScore[]): void {
      for (const watcher of watchers.get(source) ?? []) {
        const wanted = scores.filter(({ series }) => watcher.series?.has(series) ?? true);
        watcher.backlog.push(...wanted.slice(-BACKLOG));
        if (watcher.backlog.length > BACKLOG) watcher.backlog.splice(0, watcher.backlog.length - BACKLOG);
        watcher.wake();
      }
    },

    /**
     * Ends when `signal` aborts.
     * @param only these series; undefined for all of the source
     * @throws ServiceError NOT_OWNER once the source is dismissed.
     */
    async *subscribe(
      source: string,
      only: readonly string[] | undefined,
      signal: AbortSignal,
    ): AsyncGenerator<LiveScore> {
      const series = only === undefined ? undefined : new Set(only);
      const watcher: Watcher = { series, backlog: [], isDismissed: false, wake: () => {} };
      const set = watchers.get(source) ?? new Set();
      watchers.set(source, set.add(watcher));
      const onAbort = () => watcher.wake();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        while (!signal.aborted) {
          const next = watcher.backlog.shift();
          if (next !== undefined) yield next;
          else if (watcher.isDismissed) throw new ServiceError("NOT_OWNER", `"${source}" has moved; watch there.`);
          else await new Promise<void>((resolve) => (watcher.wake = resolve));
        }
      } finally {
        signal.removeEventListener("abort", onAbort);
        set.delete(watcher);
        if (set.size === 0 && watchers.get(source) === set) watchers.delete(source);
      }
    },

    /** Ends what is watched of the sources that are not `kept`: their points arrive elsewhere. */
    dismiss(isKept: (source: string) => boolean): void {
      for (const [source, set] of watchers) {
        if (isKept(source)) continue;
        for (const watcher of set) {
          watcher.isDismissed = true;
          watcher.wake();
        }
      }
    },
  };
}
