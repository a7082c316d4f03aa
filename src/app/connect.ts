import { isDeepStrictEqual } from "node:util";
import { ServiceError } from "#core/service-error.ts";
import { type ConnectOptions, type ConnectTarget, resolveTarget } from "./connect-target.ts";
import { type Connection, openConnection } from "./connection.ts";
import { hostConnection } from "./host-connection.ts";

export type { ConnectOptions } from "./connect-target.ts";
export type { Connection } from "./connection.ts";

let current: { readonly target: ConnectTarget; readonly connection: Promise<Connection> } | undefined;

/**
 * Connects to one organism, which is the first of these that is named or there:
 * 1. behind a gateway, by the option `gateway` or SERVE_GATEWAY;
 * 2. on a Ray cluster, `ray://host:10001` or `auto`, by the option `address` or RAY_ADDRESS. Gateways and the organism's
 *    token are in the cluster's own store: only Ray's token is needed, where Ray wants one (RAY_AUTH_TOKEN or its file);
 * 3. on this machine, in the home folder;
 * 4. on the Ray of this machine.
 *
 * The one way in, and idempotent: calls with the same target share one connection until it is closed. Inside a host it is the
 * host's own connection, whatever the environment says; closing it there does nothing, since it is the host's.
 *
 * On Ray, `connection.ray` is the cluster itself: its objects, tasks and actors, over one session of Ray's client protocol that
 * the first use of it opens. Services are called past it, each replica directly. Everywhere else it fails with UNSUPPORTED.
 * @throws ServiceError CONFLICT for another target or `runtimeEnv` while connected; UNAVAILABLE when nothing runs there (saying
 * how to start it), or no Ray does; UNAUTHENTICATED without a token that the organism or the cluster takes; INVALID_INPUT for
 * what is neither an address of Ray nor a URL.
 * @example
 * await using connection = await connect();
 * const { sources } = await connection.getServiceClient("ml").sources({});
 * @example
 * await using connection = await connect({ address: "ray://head:10001" });
 * const hypot = connection.ray.task<(x: number, y: number) => number>("math:hypot");
 * console.log(await hypot.call([3, 4])); // 5
 */
export function connect(options: ConnectOptions = {}): Promise<Connection> {
  try {
    const own = hostConnection(options);
    if (own !== undefined) return Promise.resolve(own);
    const target = resolveTarget(options);
    if (current !== undefined) {
      refuseOther(target, current.target);
      return current.connection;
    }
    const connection = openConnection(target, forget);
    const mine = { target, connection };
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

function refuseOther(target: ConnectTarget, present: ConnectTarget): void {
  const isOther = target.name !== present.name;
  const { runtimeEnv } = target;
  if (!isOther && (runtimeEnv === undefined || isDeepStrictEqual(runtimeEnv, present.runtimeEnv))) return;
  const other = isOther ? target.name : "it with another runtimeEnv";
  const message = `Connected to ${present.name} already; cannot connect to ${other} as well. Close the first.`;
  throw new ServiceError("CONFLICT", message, { started: "no" });
}
