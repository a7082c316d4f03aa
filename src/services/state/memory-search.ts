/**
 * The index over all memories, kept current: also with what other replicas have stored since. The first search builds it,
 * and not the start: a host that has much to remember is back after a crash as soon as any other.
 */
import { Bm25Index, type Hit } from "./bm25-index.ts";
import type { StateStore } from "./store.ts";

export interface MemorySearch {
  /** Reads what was changed since the last time first: one cheap statement when nothing was. */
  search(query: string, kind: string | undefined, limit: number): Promise<readonly Hit[]>;
}

const PAGE = 500;

export function createMemorySearch(store: Pick<StateStore, "changedSince">): MemorySearch {
  const index = new Bm25Index();
  let seen = 0;
  let catchingUp: Promise<void> | undefined;

  async function readOn(): Promise<void> {
    for (;;) {
      const changed = await store.changedSince(seen, PAGE);
      for (const { id, kind, text, revision } of changed) {
        index.put(id, kind, text);
        seen = revision;
      }
      if (changed.length < PAGE) return;
    }
  }

  async function catchUp(): Promise<void> {
    // One that is under way may have looked before what this caller wants to find: wait for it, then look again.
    while (catchingUp !== undefined) await catchingUp.catch(() => {});
    catchingUp = readOn();
    try {
      await catchingUp;
    } finally {
      catchingUp = undefined;
    }
  }

  return {
    async search(query, kind, limit) {
      await catchUp();
      return index.search(query, kind, limit);
    },
  };
}
