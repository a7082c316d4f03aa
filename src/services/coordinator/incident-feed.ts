/** Incidents as they change, for those who watch. A slow watcher gets the newest state of each, not a growing queue. */
import type { Incident } from "#contracts/incident.ts";
import { ServiceError } from "#core/service-error.ts";

export interface IncidentFeed {
  publish(incident: Incident): void;
  readonly isWatched: boolean;
  /** Begins with `initial`; ends when `signal` aborts. @throws ServiceError NOT_OWNER when the coordinator moves. */
  watch(initial: () => Promise<readonly Incident[]>, signal: AbortSignal): AsyncIterable<Incident>;
  dismiss(): void;
}

interface Watcher {
  readonly waiting: Map<string, Incident>;
  wake: () => void;
  isDismissed: boolean;
}

export function createIncidentFeed(): IncidentFeed {
  const watchers = new Set<Watcher>();

  async function* watch(initial: () => Promise<readonly Incident[]>, signal: AbortSignal): AsyncGenerator<Incident> {
    const watcher: Watcher = { waiting: new Map(), wake: () => {}, isDismissed: false };
    // Registered first: what changes while the open ones are read is not missed, and not shown older than it is.
    watchers.add(watcher);
    try {
      for (const incident of await initial()) {
        if (!watcher.waiting.has(incident.id)) watcher.waiting.set(incident.id, incident);
      }
      while (!signal.aborted) {
        for (const [id, incident] of watcher.waiting) {
          watcher.waiting.delete(id);
          yield incident;
        }
        if (watcher.isDismissed) throw new ServiceError("NOT_OWNER", "The coordinator has moved; watch there.");
        if (watcher.waiting.size === 0) await changeOf(watcher, signal);
      }
    } finally {
      watchers.delete(watcher);
    }
  }

  return {
    watch,
    get isWatched() {
      return watchers.size > 0;
    },
    publish(incident) {
      for (const watcher of watchers) {
        watcher.waiting.set(incident.id, incident);
        watcher.wake();
      }
    },
    dismiss() {
      for (const watcher of watchers) {
        watcher.isDismissed = true;
        watcher.wake();
      }
    },
  };
}

function changeOf(watcher: Watcher, signal: AbortSignal): Promise<void> {
  if (signal.aborted || watcher.isDismissed) return Promise.resolve();
  return new Promise((resolve) => {
    watcher.wake = () => {
      signal.removeEventListener("abort", watcher.wake);
      resolve();
    };
    signal.addEventListener("abort", watcher.wake, { once: true });
  });
}
