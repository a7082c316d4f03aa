import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createCaseRecall } from "./case-recall.ts";
import { createCaseStore } from "./case-store.ts";
import { createMemorySearch } from "./memory-search.ts";
import { stateService } from "./service.ts";
import { createStateStore, stateSchema } from "./store.ts";

export const create: ServiceFactory = async (context) => {
  const { clock } = context;
  const database = await context.database("seedcore", [stateSchema]);
  const store = createStateStore(database);
  const cases = createCaseStore(database);
  return stateService({
    database,
    store,
    search: createMemorySearch(store),
    cases,
    recall: createCaseRecall(cases),
    clock,
  });
};
