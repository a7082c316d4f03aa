import type { Server } from "node:http";

export interface ListenOptions {
  readonly bindAddress: string;
  /** 0 takes any that is free. A fixed one may be shared with the replica that this one succeeds; the kernel deals out. */
  readonly port: number;
}

/** @returns the address that others reach the server at */
export async function listen(server: Server, { bindAddress, port }: ListenOptions): Promise<string> {
  const reusePort = process.platform === "linux" && port !== 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: bindAddress, port, reusePort }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const bound = server.address();
  const boundPort = typeof bound === "object" && bound !== null ? bound.port : port;
  return `http://${toUrlHost(bindAddress)}:${boundPort}`;
}

/** An address to call for one that is bound: "all interfaces" is no address. */
export function toUrlHost(bindAddress: string): string {
  if (bindAddress === "0.0.0.0") return "127.0.0.1";
  if (bindAddress === "::") return "[::1]";
  return bindAddress.includes(":") ? `[${bindAddress}]` : bindAddress;
}
