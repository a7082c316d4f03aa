/** What the organism offers at its door: the built-in contracts, and those of a person's own hosts as they come and go. */
import type { Contract } from "#core/contract.ts";
import { fromDescription } from "../contract-description.ts";
import type { EngineStatus } from "../engine/engine.ts";
import { type Routed, RouteTable } from "../http/route-table.ts";

export interface Offer {
  readonly contracts: readonly Contract[];
  readonly routed: readonly Routed[];
  readonly table: RouteTable<Routed>;
}

/** The present offer, made anew only when the hosts' contracts have changed: it is asked for with every request. */
export function createOffer(builtIn: readonly Contract[], engineStatus: () => EngineStatus): () => Offer {
  let seen: EngineStatus | undefined;
  let described = "";
  let offer = toOffer(builtIn);
  return () => {
    const status = engineStatus();
    if (status === seen) return offer;
    seen = status;
    const descriptions = status.hosts.flatMap(({ spec }) => spec.contracts);
    const text = JSON.stringify(descriptions);
    if (text !== described) offer = toOffer([...builtIn, ...descriptions.map(fromDescription)]);
    described = text;
    return offer;
  };
}

function toOffer(contracts: readonly Contract[]): Offer {
  const routed = contracts.flatMap((contract) =>
    Object.values(contract.procedures).map((procedure) => ({ contract, procedure })),
  );
  return { contracts, routed, table: new RouteTable(routed) };
}
