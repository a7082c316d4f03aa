/** A service of a person's own, as `seedcore deploy` takes it. */
import type { Contract } from "#core/contract.ts";
import type { Service } from "../service.ts";
import type { ServiceContext } from "./service-context.ts";

/** The argument with which the program of an own host only writes the description of its contract to descriptor 3. */
export const DESCRIBE = "--describe";

/** What a host offers to a service of a person's own: it calls others, and keeps what it must remember where it likes. */
export type OwnContext = Pick<
  ServiceContext,
  "namespace" | "replicaId" | "clock" | "ids" | "random" | "log" | "metrics" | "client" | "serve"
>;

export interface OwnService<C extends Contract = Contract> {
  readonly contract: C;
  create(context: OwnContext): Service<C> | Promise<Service<C>>;
}

/**
 * Declares a service; the default export of the module that `seedcore deploy` bundles. `create` is called once in each
 * replica; what it throws fails the deployment.
 * @throws TypeError for a contract with state: owned shards need a database, which is the organism's
 * @example
 * export default defineService(greeter, () => implement(greeter, { greet: async ({ name }) => ({ text: `Hello ${name}` }) }));
 */
export function defineService<C extends Contract>(contract: C, create: OwnService<C>["create"]): OwnService<C> {
  if (contract.state !== "none") {
    throw new TypeError(
      `The contract "${contract.name}" has ${contract.state} state, which a service of one's own cannot own. Declare state: "none".`,
    );
  }
  return { contract, create };
}

export function isOwnService(value: unknown): value is OwnService {
  const { contract, create } = (value ?? {}) as Partial<OwnService>;
  return typeof create === "function" && typeof contract?.name === "string" && typeof contract.procedures === "object";
}
