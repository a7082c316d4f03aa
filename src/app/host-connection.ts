/** What `connect()` gives inside a host: the way that the host's own services call. */
import { ServiceError } from "#core/service-error.ts";
import { isReady } from "#runtime/client/direct-transport.ts";
import { createPools } from "#runtime/client/pools.ts";
import type { HostLink } from "#runtime/host/services-front.ts";
import { absentRay } from "./absent-ray.ts";
import type { ConnectOptions } from "./connect-target.ts";
import { type Connection, createClients } from "./connection.ts";

let own: { readonly namespace: string; readonly connection: Connection } | undefined;

/** Makes this process one whose `connect()` is the host's own connection, for as long as it lives. */
export function setHostConnection(link: HostLink): void {
  own = { namespace: link.namespace, connection: createHostConnection(link) };
}

/**
 * The host's own connection; undefined in a process that is no host.
 * @throws ServiceError CONFLICT for options that name another target
 */
export function hostConnection({ address, gateway, home, namespace }: ConnectOptions): Connection | undefined {
  if (own === undefined) return undefined;
  const others = { address, gateway, home, namespace: namespace === own.namespace ? undefined : namespace };
  const named = Object.entries(others).filter(([, value]) => value !== undefined);
  if (named.length === 0) return own.connection;
  const other = named.map(([option, value]) => `${option} "${value}"`).join(", ");
  const message =
    `This process is a host, connected to ${own.connection.target}; it cannot connect to ${other} as well. ` +
    "Call connect() without a target.";
  throw new ServiceError("CONFLICT", message, { started: "no" });
}

function createHostConnection({ namespace, topology, client }: HostLink): Connection {
  const gateway = () => topology.current().replicas.find(({ services }) => services.includes("gateway"))?.address;
  // Nobody opens it, so nobody closes it: it ends with the process.
  const close = async () => {};
  return {
    target: `the organism "${namespace}" as one of its hosts`,
    get gatewayUrl() {
      const url = gateway();
      if (url === undefined) throw new ServiceError("UNAVAILABLE", "No gateway is up at present.");
      return url;
    },
    ...createClients(client),
    ray: absentRay(
      `connection.ray cannot be used inside a host of "${namespace}": a session for each would be a process on the head. ` +
        "Ask a deployment with context.serve(), or do it in a program that connects from outside.",
    ),
    topology: () => topology.current(),
    async isHealthy() {
      const url = gateway();
      if (url === undefined) return false;
      const pools = createPools();
      return isReady(pools, url).finally(() => pools.close());
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
