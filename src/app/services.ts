/** The services that come with SeedCore, loaded when a host serves them. */
import type { ServiceFactory } from "#runtime/host/service-context.ts";

type Load = () => Promise<{ readonly create: ServiceFactory }>;

const SERVICES: Readonly<Record<string, Load>> = {
  cognitive: () => import("#services/cognitive/factory.ts"),
  coordinator: () => import("#services/coordinator/factory.ts"),
  energy: () => import("#services/energy/factory.ts"),
  ml: () => import("#services/ml/factory.ts"),
  organism: () => import("#services/organism/factory.ts"),
  state: () => import("#services/state/factory.ts"),
  telemetry: () => import("#services/telemetry/factory.ts"),
};

/** @throws TypeError for a service that does not exist. */
export async function loadService(name: string): Promise<ServiceFactory> {
  const load = Object.hasOwn(SERVICES, name) ? SERVICES[name] : undefined;
  if (load === undefined) {
    throw new TypeError(`There is no service "${name}". There are: ${Object.keys(SERVICES).join(", ")}.`);
  }
  return (await load()).create;
}
