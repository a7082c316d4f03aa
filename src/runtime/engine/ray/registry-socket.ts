/** The registry as the `engine` host on Ray calls it: over the Unix socket of its shim. */
import { isErrorCode } from "#core/error-codes.ts";
import { ServiceError } from "#core/service-error.ts";
import { createShimConnections } from "../../ray/shim-connection.ts";
import type { CallRegistry } from "./registry.ts";

export interface RegistrySocket {
  readonly call: CallRegistry;
  close(): void;
}

const NEVER = new AbortController().signal;

export function createRegistrySocket(path: string): RegistrySocket {
  const connections = createShimConnections(path);
  return {
    async call(method, args, { deadlineMs, signal = NEVER }) {
      await using connection = await connections.take(signal);
      connection.send({ registry: method, kwargs: args, deadlineMs });
      const frame = await connection.frame();
      connection.release();
      if ("value" in frame) return String(frame.value);
      if (!("error" in frame)) throw new ServiceError("INTERNAL", `The registry answered ${method} with a stream.`);
      const { code, message, started } = frame.error;
      throw new ServiceError(isErrorCode(code) ? code : "INTERNAL", message, { started });
    },
    close: () => connections.close(),
  };
}
