import { ServiceError } from "#core/service-error.ts";
import { type ConnectOptions, resolveTarget } from "./connect-target.ts";
import { type Connection, openConnection } from "./connection.ts";
import { hostConnection } from "./host-connection.ts";

export type { ConnectOptions } from "./connect-target.ts";
export type { Connection } from "./connection.ts";

let current: { readonly name: string; readonly connection: Promise<Connection> } | undefined;

/**
 * Connects to the organism on this machine, or through the gateway that the options or SERVE_GATEWAY name. The one way
 * in, and idempotent: calls with the same target share one connection until it is closed. Inside a host it is the host's
 * own connection, whatever the environment says; closing it there does nothing, since it is the host's.
 * @throws ServiceError CONFLICT for another target while connected, UNAVAILABLE when nothing runs there (saying how to
 * start it), UNAUTHENTICATED without an acceptable token, INVALID_INPUT for a Ray address.
 * @example
 * await using connection = await connect();
 * const { sources } = await connection.getServiceClient("ml").sources({});
 */
export function connect(options: ConnectOptions = {}): Promise<Connection> {
  try {
    const own = hostConnection(options);
    if (own !== undefined) return Promise.resolve(own);
    const target = resolveTarget(options);
    if (current !== undefined && current.name !== target.name) {
      const message = `Connected to ${current.name} already; cannot connect to ${target.name} as well. Close the first.`;
      throw new ServiceError("CONFLICT", message, { started: "no" });
    }
    if (current !== undefined) return current.connection;
    const connection = openConnection(target, forget);
    const mine = { name: target.name, connection };
    current = mine;
    function forget() {
      if (current === mine) current = undefined;
    }
    connection.catch(forget);
    return connection;
  } catch (error) {
    return Promise.reject(error);
  }
}
