import { coordinator } from "#contracts/coordinator.ts";
import { state } from "#contracts/state.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createLiveState } from "./live-state.ts";
import { energyService } from "./service.ts";
import { createEnergyStore, energySchema } from "./store.ts";

export const create: ServiceFactory = async (context) => {
  const database = await context.database("seedcore", [energySchema]);
  const live = createLiveState({ coordinator: context.client(coordinator), state: context.client(state) });
  return energyService({ database, store: createEnergyStore(database), live, clock: context.clock });
};
