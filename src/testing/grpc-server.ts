import { createServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

/** A gRPC server on a socket of this machine, for what only a socket can show. */
export interface GrpcServer {
  readonly port: number;
  /** Ends every connection as the kernel of a machine does whose process died: with RST, in the midst of what is under way. */
  reset(): void;
  close(): Promise<void>;
}

export async function startGrpcServer(routes: (router: ConnectRouter) => void): Promise<GrpcServer> {
  const sockets = new Set<Socket>();
  const server = createServer(connectNodeAdapter({ routes }));
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    reset() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
