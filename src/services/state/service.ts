/** What the organism knows of its agents and remembers of its incidents. All of it is rows, so any replica may answer. */
import { state } from "#contracts/state.ts";
import type { Clock } from "#core/clock.ts";
import { implement, type Service } from "#runtime/service.ts";
import type { Database } from "#runtime/storage/database.ts";
import type { CaseRecall } from "./case-recall.ts";
import type { CaseStore } from "./case-store.ts";
import type { MemorySearch } from "./memory-search.ts";
import type { StateStore } from "./store.ts";

export interface StateDeps {
  readonly database: Database;
  readonly store: StateStore;
  readonly search: MemorySearch;
  readonly cases: CaseStore;
  readonly recall: CaseRecall;
  readonly clock: Clock;
}

const EQUAL_ROLES = { E: 1 / 3, S: 1 / 3, O: 1 / 3 } as const;

export function stateService({ database, store, search, cases, recall, clock }: StateDeps): Service<typeof state> {
  return implement(
    state,
    {
      async agents({ organ }) {
        return { agents: await store.agents(organ) };
      },

      async recordOutcomes({ batchId, outcomes }) {
        const complete = outcomes.map((outcome) => ({ ...outcome, roles: outcome.roles ?? EQUAL_ROLES }));
        const isNew = await store.addOutcomes(batchId, complete, clock.now());
        return { agents: isNew ? new Set(outcomes.map(({ agent }) => agent)).size : 0 };
      },

      async remember({ id, kind, text, data }) {
        const memory = { id, kind, text, data, createdAtMs: clock.now() };
        return { ...memory, createdAtMs: await store.putMemory(memory) };
      },

      async search({ query, kind, limit }) {
        const hits = await search.search(query, kind, limit);
        const memories = await store.memories(hits.map(({ id }) => id));
        return {
          hits: hits.flatMap(({ id, relevance }) => {
            const memory = memories.get(id);
            return memory === undefined ? [] : [{ memory, relevance }];
          }),
        };
      },

      async memory({ id }, { fail }) {
        const memory = (await store.memories([id])).get(id);
        if (memory === undefined) {
          throw fail("UNKNOWN_MEMORY", { id }, `Nothing is remembered under "${id}". search finds what there is.`);
        }
        return memory;
      },

      async putCase(one) {
        return cases.put(one, clock.now());
      },

      async weighCase({ id, reportId, misled }, { fail }) {
        const weight = await cases.weigh(id, reportId, misled);
        if (weight === undefined)
          throw fail("UNKNOWN_CASE", { id }, `There is no case "${id}". cases lists those there are.`);
        return { weight };
      },

      async recallCases({ signature, limit, minLikeness }) {
        const alike = await recall.recall(signature, limit, minLikeness);
        const stored = await cases.get(alike.map(({ id }) => id));
        return {
          cases: alike.flatMap(({ id, likeness }) => {
            const one = stored.get(id);
            return one === undefined ? [] : [{ ...one, likeness }];
          }),
          known: recall.known,
        };
      },

      async cases({ limit }) {
        return cases.list(limit);
      },

      async forgetCases() {
        return { forgotten: await cases.forget() };
      },
    },
    { database },
  );
}
