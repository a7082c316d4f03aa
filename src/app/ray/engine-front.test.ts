import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, expect, test } from "vitest";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import type { Front } from "#runtime/host/front.ts";
import { silentLogger } from "#runtime/telemetry/logger.ts";
import { createRegistry } from "#runtime/telemetry/metrics.ts";
import { createCountingIds } from "#testing/counting-ids.ts";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createFakeTopology } from "#testing/fake-topology.ts";
import { createEngineFront } from "./engine-front.ts";

let front: Front | undefined;
afterEach(() => front?.close());

interface Surroundings {
  readonly serveSocket: string;
  readonly databaseUrl: string;
  say(what: string): void;
}
const NOWHERE: Surroundings = { serveSocket: "/nowhere", databaseUrl: "sqlite:/nowhere", say() {} };

async function create(bindAddress: string, { serveSocket, databaseUrl, say } = NOWHERE): Promise<Front> {
  const topology = createFakeTopology();
  front = await createEngineFront({
    assignment: {
      replicaId: "engine/0@1",
      spec: HostSpec.parse({ name: "engine", services: ["engine"] }),
      namespace: "test",
      dataDir: "",
      databaseUrl,
      bindAddress,
      publicKey: { kty: "OKP" },
      token: "",
      config: {},
      topology: topology.current(),
      engine: { kind: "ray", hosts: [] },
      serveSocket,
      secret: { privateKey: { kty: "OKP" }, ray: { apiUrl: "http://127.0.0.1:1" } },
    },
    clock: createFakeClock(),
    ids: createCountingIds(),
    random: { next: () => 0 },
    log: silentLogger,
    metrics: createRegistry({ host: "engine", replica: "engine/0@1" }),
    topology,
    verifier: {
      verify: async (authorization) => {
        if (authorization !== "Bearer ours") throw new Error("nobody else is let in");
        return { subject: "core", scopes: new Set(["read"]) };
      },
    },
    token: () => "",
    engineStatus: () => ({ kind: "ray", hosts: [] }),
    desiredChanged() {},
    ready: () => say("ready"),
    notReady: (reason) => say(`not ready: ${reason}`),
    waiting() {},
  });
  return front;
}

// Whoever asks this host says so in a query as it does of all others, and was told that there is nothing.
test("it answers probes and tells its load as every host does, and serves nobody else", async () => {
  const url = await (await create("127.0.0.1")).listen();
  const statusOf = async (path: string) => (await fetch(`${url}${path}`)).status;
  expect(await Promise.all(["/-/health", "/-/ready", "/-/ready?by=probe", "/-/load", "/"].map(statusOf))).toEqual([
    200, 503, 503, 401, 404,
  ]);
  const load = await fetch(`${url}/-/load`, { headers: { authorization: "Bearer ours" } });
  expect(await load.json()).toEqual({ services: {}, residentBytes: expect.any(Number) as number });
});

// Its database is out of reach: it was ready, and nobody followed the desired state.
test("it is not ready while it cannot lead, and says why", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seedcore-engine-"));
  const registry = createServer((connection) => {
    createInterface({ input: connection }).on("line", () => {
      connection.write(`${JSON.stringify({ value: JSON.stringify({ acquired: true }) })}\n`);
    });
  });
  try {
    const serveSocket = join(folder, "serve.sock");
    await new Promise<void>((resolve) => registry.listen(serveSocket, resolve));
    writeFileSync(join(folder, "file"), "");
    const said: string[] = [];
    const engine = await create("127.0.0.1", {
      serveSocket,
      databaseUrl: `sqlite:${join(folder, "file", "data")}`,
      say: (what) => said.push(what),
    });
    const url = await engine.listen();
    await engine.start();
    await expect.poll(() => said.at(-1)).toMatch(/^not ready: it cannot lead: The data directory .* cannot be used/);
    expect(said).not.toContain("ready");
    expect((await fetch(`${url}/-/ready`)).status).toBe(503);
    expect((await fetch(`${url}/-/health`)).status).toBe(200);
  } finally {
    await front?.close();
    registry.close();
    rmSync(folder, { recursive: true });
  }
});

// It listened by itself, and told others an address that is nobody's.
test("where it listens on every address, others are told one that they reach", async () => {
  expect(await (await create("0.0.0.0")).listen()).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
});
