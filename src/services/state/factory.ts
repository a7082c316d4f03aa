import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createMemorySearch } from "./memory-search.ts";
import { stateService } from "./service.ts";
import { createStateStore, stateSchema } from "./store.ts";

export const create: ServiceFactory = async (context) => {
  const { clock } = context;
  const database = await context.database("seedcore", [stateSchema]);
  const store = createStateStore(database);
  return stateService({ database, store, search: createMemorySearch(store), clock });
};
