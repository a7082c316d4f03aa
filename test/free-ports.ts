import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Ports on which nobody listens, all different. They lie below those the system hands out by itself, so that until
 * they are used no connection and no other server on this machine gets one of them.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: { readonly port: number; readonly server: Server }[] = [];
  for (let tries = 0; held.length < count && tries < 1_000; tries++) {
    const port = randomInt(20_000, 30_000);
    const server = createServer();
    const listens = once(server, "listening");
    server.listen(port, "0.0.0.0");
    await listens.then(
      () => held.push({ port, server }),
      () => undefined,
    );
  }
  if (held.length < count) throw new Error(`Fewer than ${count} ports between 20000 and 30000 are free.`);
  for (const { server } of held) {
    server.close();
    await once(server, "close");
  }
  return held.map(({ port }) => port);
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
