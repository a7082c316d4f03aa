import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { Database } from "#runtime/storage/database.ts";
import { createCaseRecall } from "./case-recall.ts";
import type { CaseStore } from "./case-store.ts";
import { createMemorySearch } from "./memory-search.ts";
import { stateService } from "./service.ts";
import type { StateStore } from "./store.ts";

// A host that reads all memories before it serves comes back later after each crash the longer it has lived.
it("is ready without having read what is remembered", async () => {
  let reads = 0;
  const store = { changedSince: async () => (reads++, []) } as unknown as StateStore;
  const search = createMemorySearch(store);
  const cases = {
    changedSince: async () => (reads++, { changed: [], forgottenAt: 0 }),
  } as unknown as CaseStore;
  const recall = createCaseRecall(cases);
  const service = stateService({ database: {} as Database, store, search, cases, recall, clock: createFakeClock() });
  await service.warmUp?.();
  await service.initialise?.(AbortSignal.abort());
  expect(reads).toBe(0);
  await search.search("anything", undefined, 1);
  expect(reads).toBe(1);
});
