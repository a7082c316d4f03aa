/** Connections from a host to its shim: lines of JSON over a Unix socket, one call at a time each. */
import { connect, type Socket } from "node:net";
import type { Started } from "#core/error-codes.ts";
import { ServiceError } from "#core/service-error.ts";

export type ShimRequest = DeploymentRequest | RegistryRequest;

/** Only a host that serves "engine" may make one. */
interface RegistryRequest {
  /** A method of the registry. */
  readonly registry: string;
  readonly kwargs: Readonly<Record<string, string | number>>;
  readonly deadlineMs?: number;
}

interface DeploymentRequest {
  readonly app: string;
  readonly deployment?: string;
  /** Without it the shim only says whether the deployment is there. */
  readonly method?: string;
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly stream?: boolean;
  readonly deadlineMs?: number;
}

export interface ShimError {
  readonly code: string;
  readonly message: string;
  readonly started: Started;
  /** Module and name of a Python class. */
  readonly exception?: string;
  readonly traceback?: string;
}

export type ShimFrame =
  | { readonly value: unknown }
  | { readonly item: unknown }
  | { readonly end: true }
  | { readonly error: ShimError };

/** One call's connection. Disposed before it is released, it is closed, which cancels the call. */
export interface ShimConnection extends AsyncDisposable {
  send(request: ShimRequest): void;
  /** @throws ServiceError CONNECTION_LOST, or the reason of the signal it was taken with */
  frame(): Promise<ShimFrame>;
  /** The call has had its last frame: the connection is free for the next. */
  release(): void;
}

export interface ShimConnections {
  /** A free connection, or a new one, for a call that ends when `signal` does. @throws ServiceError UNAVAILABLE */
  take(signal: AbortSignal): Promise<ShimConnection>;
  close(): void;
}

interface Line {
  readonly socket: Socket;
  readonly chunks: AsyncIterator<string>;
}

export function createShimConnections(socketPath: string): ShimConnections {
  const free: Line[] = [];
  const open = new Set<Socket>();

  async function dial(signal: AbortSignal): Promise<Line> {
    const socket = connect(socketPath).setEncoding("utf8");
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const stop = () => socket.destroy();
    signal.addEventListener("abort", stop);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("The connection was closed.")));
      });
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw new ServiceError("UNAVAILABLE", `The shim does not answer at ${socketPath}.`, { cause });
    } finally {
      signal.removeEventListener("abort", stop);
    }
    // What fails later is thrown where it is read.
    socket.on("error", () => {});
    return { socket, chunks: socket[Symbol.asyncIterator]() as AsyncIterator<string> };
  }

  return {
    async take(signal) {
      signal.throwIfAborted();
      let line = free.pop();
      while (line?.socket.destroyed) line = free.pop();
      line ??= await dial(signal);
      line.socket.ref();
      return toConnection(line, signal, (released) => {
        released.socket.unref();
        free.push(released);
      });
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

function toConnection({ socket, chunks }: Line, signal: AbortSignal, give: (line: Line) => void): ShimConnection {
  const stop = () => socket.destroy();
  signal.addEventListener("abort", stop);
  let isReleased = false;
  /** What came of lines after the last one that was taken. Joined once for each line: a value of 20 MB comes in hundreds of parts. */
  let parts: string[] = [];

  async function nextLine(): Promise<string> {
    let searched = 0;
    while (true) {
      for (; searched < parts.length; searched++) {
        const part = parts[searched] ?? "";
        const end = part.indexOf("\n");
        if (end < 0) continue;
        const line = [...parts.slice(0, searched), part.slice(0, end)].join("");
        parts = [part.slice(end + 1), ...parts.slice(searched + 1)];
        return line;
      }
      const chunk = await chunks.next();
      if (chunk.done) throw new Error("The shim closed the connection.");
      parts.push(chunk.value);
    }
  }

  return {
    send: (request) => void socket.write(`${JSON.stringify(request)}\n`),
    async frame() {
      try {
        return JSON.parse(await nextLine()) as ShimFrame;
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        throw new ServiceError("CONNECTION_LOST", "The connection to the shim was lost during the call.", { cause });
      }
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      signal.removeEventListener("abort", stop);
      give({ socket, chunks });
    },
    async [Symbol.asyncDispose]() {
      if (isReleased) return;
      signal.removeEventListener("abort", stop);
      socket.destroy();
    },
  };
}
