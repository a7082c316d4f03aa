/** A door to PostgreSQL that breaks connections at a chosen moment. */
import { connect, createServer, type Socket } from "node:net";

/**
 * What becomes of something the client says: it passes; the connection is cut before the server hears it, or after the
 * server has answered it, or it is never passed on.
 */
export type Verdict = "pass" | "cut-before" | "cut-after" | "swallow";

export interface Proxy {
  readonly url: string;
  /** Looks at all that clients say. */
  judge: (said: string) => Verdict;
  readonly connections: number;
  close(): Promise<void>;
}

export async function openProxy(url: string): Promise<Proxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((client) => {
    connections++;
    const socketFolder = target.searchParams.get("host");
    const upstream =
      socketFolder === null
        ? connect(Number(target.port || 5_432), target.hostname)
        : connect(`${socketFolder}/.s.PGSQL.5432`);
    let cutAfterAnswer = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (said) => {
      switch (proxy.judge(said.toString("latin1"))) {
        case "pass":
          return void upstream.write(said);
        case "cut-before":
          return void client.destroy();
        case "cut-after":
          cutAfterAnswer = true;
          return void upstream.write(said);
        case "swallow":
          return;
      }
    });
    upstream.on("data", (answer) => (cutAfterAnswer ? client.destroy() : client.write(answer)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const through = new URL(url);
  through.searchParams.delete("host");
  through.hostname = "127.0.0.1";
  through.port = String(typeof address === "object" && address !== null ? address.port : 0);
  const proxy = {
    url: through.href,
    judge: (): Verdict => "pass",
    get connections() {
      return connections;
    },
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  } as Proxy;
  return proxy;
}

/** A server that lets nobody in, for the reason `code`. */
export async function openRefusing(code: string, message: string): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((client) => {
    client.on("error", () => {});
    client.once("data", () => {
      const body = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
      const head = Buffer.alloc(5);
      head.write("E");
      head.writeInt32BE(body.length + 4, 1);
      client.end(Buffer.concat([head, body]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `postgres://someone:s3cret@127.0.0.1:${port}/db`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
