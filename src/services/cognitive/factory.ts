import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { cognitiveService } from "./service.ts";
import { cognitiveSchema, createCognitiveStore } from "./store.ts";

export const create: ServiceFactory = async ({ clock, database: open }) => {
  const database = await open("seedcore", [cognitiveSchema]);
  return cognitiveService({ database, store: createCognitiveStore(database), clock });
};
