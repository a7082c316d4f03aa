/** Opening a cluster that is played here: its client server, the store behind it, and the dashboard. */
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DataResponseSchema, RayletDataStreamer, RayletDriver } from "#runtime/ray/protocol/ray-client_pb.js";
import { createFakeClock, type FakeClock } from "#testing/fake-clock.ts";
import { openingAnswer } from "#testing/fake-ray.ts";
import { type GrpcServer, startGrpcServer } from "#testing/grpc-server.ts";
import { type Cluster, openCluster } from "./cluster.ts";

let clock: FakeClock;
let ray: GrpcServer;
let dashboard: Server;
/** What the cluster says that it runs. */
let version: string;
/** What takes requests and answers none, as a process that was stopped does. */
let silent: "nothing" | "store" | "dashboard";
/** Called by whoever is silent once it has been asked. */
let onAsked: () => void;

const never = () => {
  onAsked();
  return new Promise<never>(() => {});
};

function routes({ service }: ConnectRouter): void {
  service(RayletDriver, {
    clusterInfo: () => ({ responseType: { case: "json", value: "[]" } }),
    kVExists: () => (silent === "store" ? never() : { exists: false }),
  });
  service(RayletDataStreamer, {
    async *datapath(requests) {
      for await (const request of requests) {
        const type = openingAnswer(request, version);
        if (type !== undefined) yield create(DataResponseSchema, { reqId: request.reqId, type });
      }
    },
  });
}

beforeEach(async () => {
  clock = createFakeClock();
  version = "2.60.0";
  silent = "nothing";
  onAsked = () => {};
  ray = await startGrpcServer(routes);
  dashboard = createServer((_, response) => {
    if (silent === "dashboard") return void never();
    response.end(JSON.stringify({ ray_version: version, authentication_mode: "token" }));
  });
  await listen(dashboard);
});

afterEach(async () => {
  dashboard.closeAllConnections();
  await Promise.all([ray.close(), new Promise((resolve) => dashboard.close(resolve))]);
});

function listen(server: { listen(port: number, host: string, then: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
}

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;

function open({ port = ray.port, checksVersion = true } = {}): Promise<Cluster> {
  const endpoint = { host: "127.0.0.1", port, token: "t", tls: undefined };
  const apiUrl = `http://127.0.0.1:${portOf(dashboard)}`;
  const settings = { address: `ray://127.0.0.1:${port}`, endpoint, apiUrl, checksVersion };
  return openCluster(settings, { namespace: "test", clock });
}

/** How it fails once it has asked what is silent and three seconds are over. */
async function failureAfterAsking(port = ray.port): Promise<unknown> {
  const asked = new Promise<void>((resolve) => (onAsked = resolve));
  const failure = open({ port }).then(
    () => "it opened",
    (error: unknown) => error,
  );
  await asked;
  await clock.advance(3_000);
  return failure;
}

const silence = { code: "DEADLINE", started: "no", message: expect.stringMatching(/^Ray at ray:.*its head/) as string };

async function opens(): Promise<void> {
  await using cluster = await open();
  expect(cluster.version).toBe("2.60.0");
}

// `down`, `deploy` and `doctor` hung for a minute: a stopped process holds its port, and the kernel takes connections for it.
describe("a head that takes connections and is silent is told after three seconds, and opens once it answers", () => {
  it("by its client server", async () => {
    const stopped = createTcpServer(() => onAsked());
    await listen(stopped);
    expect(await failureAfterAsking(portOf(stopped))).toMatchObject(silence);
    stopped.close();
    await opens();
  });

  // The client server's proxy answers a ping by itself, and then waits for the head's store for a minute.
  it.each(["store", "dashboard"] as const)("by its %s", async (part) => {
    silent = part;
    expect(await failureAfterAsking()).toMatchObject(silence);
    silent = "nothing";
    await opens();
  });
});

// An untested Ray fails in the middle of a deployment, in ways that nobody can read.
it("a Ray that nobody has run this on is refused, unless one says so", async () => {
  version = "2.9.3";
  await expect(open()).rejects.toMatchObject({ code: "UNSUPPORTED", started: "no" });
  await using cluster = await open({ checksVersion: false });
  expect(cluster.version).toBe("2.9.3");
});

it("a head that is gone is told at once", async () => {
  const gone = createTcpServer();
  await listen(gone);
  const port = portOf(gone);
  await new Promise((resolve) => gone.close(resolve));
  await expect(open({ port })).rejects.toMatchObject({ code: "UNAVAILABLE", started: "no" });
  expect(clock.pending).toBe(0);
});
