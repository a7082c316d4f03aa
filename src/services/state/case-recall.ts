/** The index over all cases, kept current: also with what other replicas have stored, and forgotten, since. */
import { CaseIndex, type LikeCase } from "./case-index.ts";
import type { CaseStore } from "./case-store.ts";

export interface CaseRecall {
  recall(signature: readonly string[], limit: number, minLikeness: number): Promise<readonly LikeCase[]>;
  readonly known: number;
}

const PAGE = 1_000;

export function createCaseRecall(store: Pick<CaseStore, "changedSince">): CaseRecall {
  const index = new CaseIndex();
  let seen = 0;
  let forgotten = 0;
  let catchingUp: Promise<void> | undefined;

  async function readOn(): Promise<void> {
    for (;;) {
      const { changed, forgottenAt } = await store.changedSince(seen, PAGE);
      if (forgottenAt > forgotten) {
        forgotten = forgottenAt;
        // What was read above may be of before or after: everything since is read again.
        index.clear();
        seen = forgottenAt;
        continue;
      }
      for (const { id, signature, revision } of changed) {
        index.put(id, signature);
        seen = Math.max(seen, revision);
      }
      if (changed.length < PAGE) return;
    }
  }

  return {
    get known() {
      return index.size;
    },
    async recall(signature, limit, minLikeness) {
      // One that is under way may have looked before what this caller wants to find: wait for it, then look again.
      while (catchingUp !== undefined) await catchingUp.catch(() => {});
      catchingUp = readOn();
      try {
        await catchingUp;
      } finally {
        catchingUp = undefined;
      }
      return index.recall(signature, limit, minLikeness);
    },
  };
}
