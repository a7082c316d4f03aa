import { randomUUID } from "node:crypto";
import type { CallTime } from "./call-time.ts";
import { type DriverCalls, type DriverClient, ping } from "./driver-calls.ts";
import type { CallOptions } from "@connectrpc/connect";
import type { Started } from "#core/error-codes.ts";

/**
 * Ray's own key-value store on the head, read and written without a session. Memory of the head: lost with it, unless
 * Ray keeps its state in Redis. For small things and packages, not for data.
 */
export interface ClusterStore {
  /** Whether the head answers and accepts the token. @throws ServiceError UNAVAILABLE, UNAUTHENTICATED, DEADLINE. */
  ping(options?: CallTime): Promise<void>;
  get(key: string, options?: CallTime): Promise<Uint8Array | undefined>;
  exists(key: string, options?: CallTime): Promise<boolean>;
  /** Keys that begin with `prefix`. */
  list(prefix: string, options?: CallTime): Promise<readonly string[]>;
  /** Whether it was written; without `overwrite` an existing value stays. */
  put(key: string, value: Uint8Array, options?: CallTime & { readonly overwrite?: boolean }): Promise<boolean>;
  /** Without a session Ray does not say whether there was one. */
  delete(key: string, options?: CallTime): Promise<void>;
  /** Keeps a package from being dropped while nothing uses it yet. */
  pinPackage(uri: string, expirationS: number, options?: CallTime): Promise<void>;
}

export function createClusterStore(calls: DriverCalls, config: { readonly deadlineMs: number }): ClusterStore {
  // Never a session's: Ray routes that one's calls to the session's server, which cannot pin.
  const clientId = randomUUID().replaceAll("-", "");
  const timeOf = ({ deadlineMs = config.deadlineMs, signal }: CallTime) => ({
    deadlineAtMs: calls.clock.monotonic() + deadlineMs,
    signal,
  });
  const call = <T>(
    what: string,
    started: Started,
    options: CallTime,
    run: (client: DriverClient, callOptions: CallOptions) => Promise<T>,
  ) => calls.call({ what, started, clientId, ...timeOf(options) }, run);

  return {
    ping: (options = {}) => ping(calls, clientId, timeOf(options)),
    async get(key, options = {}) {
      const request = { key: toBytes(key) };
      const { value } = await call(`reading the key ${key}`, "no", options, (client, o) => client.kVGet(request, o));
      return value;
    },
    async exists(key, options = {}) {
      const request = { key: toBytes(key) };
      const { exists } = await call(`looking for the key ${key}`, "no", options, (client, o) =>
        client.kVExists(request, o),
      );
      return exists;
    },
    async list(prefix, options = {}) {
      const request = { prefix: toBytes(prefix) };
      const { keys } = await call(`listing keys ${prefix}…`, "no", options, (client, o) => client.kVList(request, o));
      return keys.map((key) => Buffer.from(key).toString());
    },
    async put(key, value, options = {}) {
      const request = { key: toBytes(key), value, overwrite: options.overwrite === true };
      const answer = await call(`writing the key ${key}`, "maybe", options, (client, o) => client.kVPut(request, o));
      return !answer.alreadyExists || request.overwrite;
    },
    async delete(key, options = {}) {
      const request = { key: toBytes(key), delByPrefix: false };
      await call(`deleting the key ${key}`, "maybe", options, (client, o) => client.kVDel(request, o));
    },
    async pinPackage(uri, expirationS, options = {}) {
      await call(`pinning ${uri}`, "maybe", options, (client, o) => client.pinRuntimeEnvURI({ uri, expirationS }, o));
    },
  };
}

function toBytes(text: string): Uint8Array {
  return Buffer.from(text);
}
