import type { RayEndpoint } from "#runtime/ray/client/wire.ts";
import type { ClusterAddress } from "./cluster.ts";

/** A test cluster as the client takes it. */
export function endpointOf({ address, token, tls }: ClusterAddress): RayEndpoint {
  const { hostname, port } = new URL(address);
  return { host: hostname, port: Number(port), token: token === "" ? undefined : token, tls };
}
