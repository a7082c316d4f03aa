import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { followTopology } from "./topology-follower.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A gateway that takes one token and knows itself alone; it holds polls open. */
async function gateway(token: string, epoch: string): Promise<{ readonly url: string; end(): void }> {
  const server = createServer((request, response) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
      const problem = { code: "UNAUTHENTICATED", detail: "no", status: 401, started: "no" };
      return void response.writeHead(401).end(JSON.stringify(problem));
    }
    if (request.url?.includes(epoch) === true) return;
    const replica = { id: epoch, host: "gateway", version: "1", address: url, services: ["gateway"], weight: 1 };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version: 1, epoch, state: "settled", replicas: [replica] }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    end() {
      server.closeAllConnections();
      server.close();
    },
  };
}

// An organism that was brought up anew on Ray: its only gateway is on another node, and the key is another one.
test("when no gateway that is known answers, those that there are now are looked up, and their token is used", async () => {
  const first = await gateway("old", "first");
  const second = await gateway("new", "second");
  let token = "old";
  const clock = createFakeClock();
  const follower = await followTopology({
    url: first.url,
    token: () => token,
    clock,
    async findGateways() {
      token = "new";
      return [second.url];
    },
  });
  expect(follower.current().epoch).toBe("first");
  first.end();
  await vi.waitFor(async () => {
    await clock.advance(1_000);
    expect(follower.current().epoch).toBe("second");
  });
  await follower.close();
});
