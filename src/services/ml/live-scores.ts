/** Scored points on their way to who is watching: in memory only, and a slow watcher loses points rather than slowing ml. */
export interface LiveScore {
  readonly series: string;
  readonly timestampMs: number;
  readonly value: number;
  readonly score: number;
}

/** Events a watcher may be behind before its oldest are dropped. */
const BACKLOG = 10_000;

interface Watcher {
  readonly backlog: LiveScore[];
  wake: () => void;
}

export function createLiveScores() {
  const watchers = new Map<string, Set<Watcher>>();
  return {
    isWatched: (source: string): boolean => watchers.has(source),

    publish(source: string, scores: readonly LiveScore[]): void {
      for (const watcher of watchers.get(source) ?? []) {
        watcher.backlog.push(...scores.slice(-BACKLOG));
        if (watcher.backlog.length > BACKLOG) watcher.backlog.splice(0, watcher.backlog.length - BACKLOG);
        watcher.wake();
      }
    },

    async *subscribe(source: string, signal: AbortSignal): AsyncGenerator<LiveScore> {
      const watcher: Watcher = { backlog: [], wake: () => {} };
      const set = watchers.get(source) ?? new Set();
      watchers.set(source, set.add(watcher));
      const onAbort = () => watcher.wake();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        while (!signal.aborted) {
          const next = watcher.backlog.shift();
          if (next !== undefined) yield next;
          else await new Promise<void>((resolve) => (watcher.wake = resolve));
        }
      } finally {
        signal.removeEventListener("abort", onAbort);
        set.delete(watcher);
        if (set.size === 0) watchers.delete(source);
      }
    },
  };
}
