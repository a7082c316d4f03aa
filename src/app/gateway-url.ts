/** Where the gateway can be called. */
import { toUrlHost } from "#runtime/http/listen.ts";
import type { TopologySource } from "#runtime/topology.ts";
import type { Config } from "./config.ts";

/** The gateway's URL as configured, or with the port it really got once it is ready, which differs when that is 0. */
export function gatewayUrlOf(config: Config, topology?: TopologySource): string {
  const isGateway = ({ services }: { readonly services: readonly string[] }) => services.includes("gateway");
  const replica = topology?.current().replicas.find(isGateway);
  const port =
    replica === undefined ? (config.hosts.find(isGateway)?.port ?? config.port) : new URL(replica.address).port;
  return `http://${toUrlHost(config.bindAddress)}:${port}`;
}
