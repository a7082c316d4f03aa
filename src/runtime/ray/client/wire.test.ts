/** The wire itself, over a socket: what a connection's end looks like is Node's and the library's to say, not a fake's. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { systemClock } from "#core/clock.ts";
import { openingAnswer } from "#testing/fake-ray.ts";
import { type GrpcServer, startGrpcServer } from "#testing/grpc-server.ts";
import { createRay, type Ray } from "../ray.ts";
import { DataResponseSchema, RayletDataStreamer, RayletDriver } from "../protocol/ray-client_pb.js";
import { openWire } from "./wire.ts";

let server: GrpcServer;
let ray: Ray;

function routes({ service }: ConnectRouter): void {
  service(RayletDriver, {
    kVExists: () => ({ exists: false }),
    async kVGet() {
      server.reset();
      return new Promise(() => {});
    },
  });
  service(RayletDataStreamer, {
    async *datapath(requests) {
      for await (const request of requests) {
        const type = openingAnswer(request);
        if (type === undefined) server.reset();
        else yield create(DataResponseSchema, { reqId: request.reqId, type });
      }
    },
  });
}

beforeEach(async () => {
  server = await startGrpcServer(routes);
  const endpoint = { host: "127.0.0.1", port: server.port, token: undefined, tls: undefined };
  ray = createRay({ endpoint, namespace: "test", deadlineMs: 10_000 }, { clock: systemClock });
});

afterEach(async () => {
  await ray.close();
  await server.close();
});

// The library gives a reset the code that Ray sends its exceptions with. Taken for one, it ended the whole process with an
// unhandled rejection, and nobody who waited was told.
it("fails what waits on a session whose connection is reset, and opens another", async () => {
  await ray.versions();
  await expect(ray.put(1)).rejects.toMatchObject({ code: "CONNECTION_LOST", started: "maybe" });
  expect(ray.state).toBe("lost");
  await ray.versions();
  expect(ray.state).toBe("open");
});

it("fails a single call whose connection is reset as one that was lost", async () => {
  await expect(ray.store.get("key")).rejects.toMatchObject({ code: "UNAVAILABLE", started: "no" });
});

/** The way to the server, which `cut` leaves without an end: as a machine that lost its power, or a firewall that forgot. */
async function openWay(): Promise<{ readonly port: number; cut(): void }> {
  const sockets = new Set<Socket>();
  const way = createServer((client) => {
    const onward = connect(server.port, "127.0.0.1");
    client.on("data", (bytes) => onward.write(bytes)).on("error", () => {});
    onward.on("data", (bytes) => client.write(bytes)).on("error", () => {});
    for (const socket of [client, onward]) sockets.add(socket);
  });
  await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    way.close();
  });
  return {
    port: (way.address() as AddressInfo).port,
    cut() {
      for (const socket of sockets) socket.removeAllListeners("data").resume();
    },
  };
}

// Nothing says so but a ping that stays unanswered: who waited would wait until the deadline, and all who come after.
it("notices that the other side vanished without a word, and opens another session", async () => {
  const way = await openWay();
  const endpoint = { host: "127.0.0.1", port: way.port, token: undefined, tls: undefined };
  const keepAlive = { pingIntervalMs: 50, pingTimeoutMs: 250 };
  await using far = createRay(
    { endpoint, namespace: "test", deadlineMs: 3_600_000 },
    { clock: systemClock, openWire: (to) => openWire(to, keepAlive) },
  );
  await far.versions();
  way.cut();
  await expect(far.nodes()).rejects.toMatchObject({ code: "CONNECTION_LOST", started: "maybe" });
  expect(far.state).toBe("lost");
  await far.versions();
  expect(far.state).toBe("open");
});
