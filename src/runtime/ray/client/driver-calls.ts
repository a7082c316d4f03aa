import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import type { Clock } from "#core/clock.ts";
import type { Started } from "#core/error-codes.ts";
import { openCallScope } from "../../client/call-scope.ts";
import { RayletDriver } from "../protocol/ray-client_pb.js";
import type { RequestTime } from "./datapath.ts";
import { fromWireError } from "./wire-error.ts";
import type { Wire } from "./wire.ts";

export type DriverClient = Client<typeof RayletDriver>;

/** One call of Ray's driver service: what it is called in errors, whose it is, and how long it may take. */
export interface DriverCall extends RequestTime {
  readonly what: string;
  /** What a broken connection leaves open: `no` for what only reads. */
  readonly started: Started;
  readonly clientId: string;
  /** Aborts with a ServiceError when the session the call belongs to is lost: Ray would never answer. */
  readonly lost?: AbortSignal | undefined;
}

/** The connection to one Ray client server; a session's stream and single calls share it. */
export interface DriverCalls {
  readonly clock: Clock;
  /** Sent with every call: the token. */
  readonly headers: Readonly<Record<string, string>>;
  /** The connection, opened by the first who asks. */
  wire(): Promise<Wire>;
  /** Makes one call. @throws ServiceError always, however it fails. */
  call<T>(call: DriverCall, run: (client: DriverClient, options: CallOptions) => Promise<T>): Promise<T>;
  /** Ends the connection; the next call opens another. */
  close(): void;
}

export interface DriverDeps {
  readonly clock: Clock;
  /** `() => openWire(endpoint)`; tests bring one in memory. */
  readonly openWire: () => Promise<Wire>;
}

export function createDriverCalls(deps: DriverDeps, token: string | undefined): DriverCalls {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  let opening: Promise<Wire> | undefined;

  const wire = () => {
    if (opening === undefined) {
      const mine = deps.openWire();
      opening = mine;
      mine.catch(() => {
        if (opening === mine) opening = undefined;
      });
    }
    return opening;
  };

  return {
    clock: deps.clock,
    headers,
    wire,
    async call({ what, started, clientId, deadlineAtMs, signal, lost }, run) {
      const scope = openCallScope(deps.clock, what, deadlineAtMs, [signal, lost]);
      try {
        const { transport } = await wire();
        const options = { headers: { ...headers, client_id: clientId }, signal: scope.signal };
        return await run(createClient(RayletDriver, transport), options);
      } catch (error) {
        throw fromWireError(scope.signal.aborted ? scope.signal.reason : error, what, started);
      } finally {
        scope.release();
      }
    },
    close() {
      opening?.then((opened) => opened.close()).catch(() => {});
      opening = undefined;
    },
  };
}

/** Nobody's; asking for it costs nothing. */
const ANY_KEY = Buffer.from("seedcore");

/**
 * Whether a Ray client server answers there, has the head's store behind it, and accepts the token; needs no session.
 * Not Ray's own ping: the proxy of the client server answers that by itself, whatever has become of the head.
 * @param clientId of no session
 * @throws ServiceError UNAVAILABLE, UNAUTHENTICATED or DEADLINE.
 */
export async function ping(calls: DriverCalls, clientId: string, time: RequestTime): Promise<void> {
  const call = { what: "reaching Ray's head", started: "no", clientId, ...time } as const;
  await calls.call(call, (client, options) => client.kVExists({ key: ANY_KEY }, options));
}
