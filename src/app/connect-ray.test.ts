/** connect() to an organism on a Ray cluster that is played here: its client server, and a gateway. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createKeyPair } from "#runtime/auth/key-pair.ts";
import { DataResponseSchema, RayletDataStreamer, RayletDriver } from "#runtime/ray/protocol/ray-client_pb.js";
import { openingAnswer } from "#testing/fake-ray.ts";
import { type GrpcServer, startGrpcServer } from "#testing/grpc-server.ts";
import { connect } from "./connect.ts";

const keys = createKeyPair();
let home: string;
let gateway: Server;
let ray: GrpcServer;
let sessions: { present: number; most: number; opened: number };
/** Keys of the store that were read, and the tokens they were asked for with. */
let asked: { readonly key: string; readonly token: string | null }[];
/** What the cluster says that it runs. */
let rayVersion: string;
/** What a good-bye waits for before it is answered. */
let mayLeave: Promise<void>;

function routes({ service }: ConnectRouter): void {
  service(RayletDriver, {
    kVExists: () => ({ exists: false }),
    kVGet(request, { requestHeader }) {
      const key = Buffer.from(request.key).toString();
      asked.push({ key, token: requestHeader.get("authorization") });
      const value = key.endsWith("/key")
        ? keys.privateJwk
        : [`http://127.0.0.1:${(gateway.address() as AddressInfo).port}`];
      return { value: Buffer.from(JSON.stringify(value)) };
    },
  });
  service(RayletDataStreamer, {
    async *datapath(requests) {
      sessions.opened++;
      sessions.most = Math.max(sessions.most, ++sessions.present);
      try {
        for await (const request of requests) {
          if (request.type.case === "connectionCleanup") await mayLeave;
          const put = { case: "put", value: { valid: true, id: new Uint8Array(28) } } as const;
          const type = request.type.case === "put" ? put : openingAnswer(request, rayVersion);
          if (type !== undefined) yield create(DataResponseSchema, { reqId: request.reqId, type });
        }
      } finally {
        sessions.present--;
      }
    },
  });
}

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "seedcore-connect-ray-"));
  sessions = { present: 0, most: 0, opened: 0 };
  asked = [];
  mayLeave = Promise.resolve();
  rayVersion = "2.60.0";
  ray = await startGrpcServer(routes);
  gateway = createServer(({ url }, response) => {
    const topology = { version: 1, epoch: "e", state: "settled", replicas: [] };
    if (url === "/-/topology") response.setHeader("content-type", "application/json").end(JSON.stringify(topology));
  });
  await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  gateway.closeAllConnections();
  await Promise.all([ray.close(), new Promise((resolve) => gateway.close(resolve))]);
  rmSync(home, { recursive: true });
});

const open = () => connect({ address: `ray://127.0.0.1:${ray.port}`, home, namespace: "one" });

test("connection.ray opens a session by its first use, one for all who connect, and it ends with the connection", async () => {
  const connection = await open();
  const same = await open();
  expect(sessions.opened).toBe(0);
  await Promise.all([connection.ray.put(1), same.ray.put(2), connection.ray.put(3)]);
  expect(sessions).toEqual({ present: 1, most: 1, opened: 1 });
  await connection.close();
  await expect(connection.ray.put(4)).rejects.toMatchObject({ code: "CANCELLED", started: "no" });
  await expect.poll(() => sessions.present).toBe(0);
});

// Each is a process of 100 MB on the head.
test("a connection that is opened while the one before is closing waits for the end of its session", async () => {
  mayLeave = new Promise((resolve) => setTimeout(resolve, 500));
  const first = await open();
  await first.ray.put(1);
  const closing = first.close();
  const second = await open();
  await second.ray.put(2);
  await closing;
  expect(sessions).toMatchObject({ most: 1, opened: 2 });
  await second.close();
});

// Only `up`, `down` and `deploy` looked at it: a program went on with a Ray whose pickles and messages nobody had seen.
test("a session with a Ray that nobody has run this on is refused, unless one says so; services are called all the same", async () => {
  rayVersion = "2.9.3";
  const careful = await open();
  await expect(careful.ray.put(1)).rejects.toMatchObject({
    code: "UNSUPPORTED",
    started: "no",
    message: expect.stringMatching(/Ray 2\.9\.3;.*SEEDCORE_RAY_ANY_VERSION=1/) as string,
  });
  await expect.poll(() => sessions.present).toBe(0);
  expect(sessions.opened).toBe(1);
  expect(careful.topology().state).toBe("settled");
  await careful.close();

  vi.stubEnv("SEEDCORE_RAY_ANY_VERSION", "1");
  const bold = await open();
  await bold.ray.put(1);
  await bold.close();
});

test("without a token in the environment it is Ray's own file in the home folder that opens the cluster", async () => {
  for (const name of ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"]) vi.stubEnv(name, undefined);
  vi.stubEnv("HOME", home);
  mkdirSync(join(home, ".ray"));
  writeFileSync(join(home, ".ray", "auth_token"), "from-home\n");
  await (await open()).close();
  expect(new Set(asked.map(({ token }) => token))).toEqual(new Set(["Bearer from-home"]));
});

test.each([
  ["a", "b", "a"],
  [undefined, "b", "b"],
  [undefined, undefined, "seedcore-dev"],
])(
  "RAY_NAMESPACE %s and SEEDCORE_NS %s: the organism %s of the cluster in RAY_ADDRESS",
  async (rayNs, ns, expected) => {
    vi.stubEnv("RAY_ADDRESS", `ray://127.0.0.1:${ray.port}`);
    vi.stubEnv("SERVE_GATEWAY", undefined);
    vi.stubEnv("RAY_NAMESPACE", rayNs);
    vi.stubEnv("SEEDCORE_NS", ns);
    const connection = await connect({ home });
    expect(connection.target).toContain(`"${expected}"`);
    await connection.close();
    expect(new Set(asked.map(({ key }) => key))).toEqual(
      new Set([`seedcore/${expected}/gateways`, `seedcore/${expected}/key`]),
    );
  },
);
