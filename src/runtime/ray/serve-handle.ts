/**
 * Python models from TypeScript: any Serve deployment of the cluster as a typed client. Calls go over the host's Unix
 * socket to its shim and from there through Serve's own DeploymentHandle, past the HTTP proxy. The protocol is described
 * in `python/seedcore_ray.py`.
 */
import type { Clock } from "#core/clock.ts";
import type { Contract } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import type { OutgoingCall, Transport } from "../client/transport.ts";
import { createShimConnections, type ShimConnection, type ShimConnections, type ShimFrame } from "./shim-connection.ts";

export interface ServeHandleOptions {
  /** `serveSocket` of the host's assignment; undefined in a host that is not on Ray, where calls are UNSUPPORTED. */
  readonly socketPath: string | undefined;
  readonly clock: Clock;
}

/** A client with an end: it keeps connections to the shim. */
export type ServeHandle<C extends Contract> = Client<C> & AsyncDisposable;

const HEALTH_MS = 2_000;

/**
 * A deployment as a client of `contract`: procedures are its methods, the fields of an input their keyword arguments. An
 * exception of the deployment is PYTHON_EXCEPTION with its class and traceback. A stream's deadline counts until its
 * first item; leaving the loop cancels it. Serve does not hold its generator back for a slow reader: what is not read yet
 * waits in Ray's memory.
 * @param target application, or `application/deployment`; an application alone is its ingress
 * @example
 * const model = createServeHandle("sentiment/Model", sentiment, { socketPath, clock });
 * await model.classify({ text: "good" }, { deadlineMs: 500 });
 */
export function createServeHandle<C extends Contract>(
  target: string,
  contract: C,
  options: ServeHandleOptions,
): ServeHandle<C> {
  const { clock, socketPath } = options;
  const place = toTarget(target);
  const transport =
    socketPath === undefined ? refusing(target) : createServeTransport(place, createShimConnections(socketPath), clock);
  return Object.assign(createClient(contract, { transport, clock }), {
    [Symbol.asyncDispose]: () => transport.close(),
  });
}

interface Target {
  readonly app: string;
  readonly deployment?: string;
}

/** @throws ServiceError INVALID_INPUT */
function toTarget(target: string): Target {
  const [app = "", deployment, ...rest] = target.split("/");
  if (app === "" || deployment === "" || rest.length > 0) {
    throw new ServiceError("INVALID_INPUT", `"${target}" is no deployment: use "app" or "app/deployment".`);
  }
  return deployment === undefined ? { app } : { app, deployment };
}

/** A service that asks a model for some of its answers still gives the others where there is none. */
function refusing(target: string): Transport {
  const refuse = (): never => {
    throw new ServiceError(
      "UNSUPPORTED",
      `"${target}" is a deployment of Ray Serve, and this organism does not run on Ray. Bring it up on a cluster: RAY_ADDRESS=ray://host:10001 seedcore up`,
      { started: "no" },
    );
  };
  return {
    call: async () => refuse(),
    stream: () => refuse(),
    isHealthy: async () => false,
    close: async () => {},
  };
}

function createServeTransport(target: Target, connections: ShimConnections, clock: Clock): Transport {
  const request = (call: OutgoingCall) => ({ ...target, method: call.name, kwargs: call.input });
  return {
    async call(call) {
      await using connection = await connections.take(call.signal);
      const deadlineMs = Math.max(1, Math.ceil(call.deadlineAtMs - clock.monotonic()));
      connection.send({ ...request(call), deadlineMs });
      const frame = await nextFrame(connection, call.name);
      connection.release();
      if (!("value" in frame)) throw unexpected(frame);
      return frame.value;
    },
    async *stream(call) {
      await using connection = await connections.take(call.signal);
      connection.send({ ...request(call), stream: true });
      while (true) {
        const frame = await nextFrame(connection, call.name);
        call.opened?.();
        if ("end" in frame) return connection.release();
        if (!("item" in frame)) throw unexpected(frame);
        yield frame.item;
      }
    },
    async isHealthy() {
      try {
        await using connection = await connections.take(AbortSignal.timeout(HEALTH_MS));
        connection.send(target);
        await nextFrame(connection, "isHealthy");
        connection.release();
        return true;
      } catch {
        return false;
      }
    },
    close: async () => connections.close(),
  };
}

/** @throws ServiceError for a frame that says the call failed; the connection can be used again. */
async function nextFrame(connection: ShimConnection, method: string): Promise<ShimFrame> {
  const frame = await connection.frame();
  if (!("error" in frame)) return frame;
  connection.release();
  const { code, message, started, exception, traceback } = frame.error;
  if (exception === undefined) throw new ServiceError(code, message, { started });
  const name = exception.slice(exception.lastIndexOf(".") + 1);
  throw new ServiceError(code, `${method} raised ${name}: ${message}`, {
    started,
    data: { exception, message, ...(traceback === undefined ? {} : { traceback }) },
  });
}

function unexpected(frame: ShimFrame): ServiceError {
  return new ServiceError(
    "BAD_OUTPUT",
    `The shim answered with ${Object.keys(frame).join()}, which was not asked for.`,
  );
}
