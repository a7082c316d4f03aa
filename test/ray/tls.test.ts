/** A cluster that speaks TLS only, as Ray's own variables ask for it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { connect } from "#app/connect.ts";
import { systemClock } from "#core/clock.ts";
import type { ServiceError } from "#core/service-error.ts";
import type { RayTls } from "#runtime/ray/client/wire.ts";
import { createRay } from "#runtime/ray/ray.ts";
import { startCluster, type ThrowAwayCluster, tlsVariables } from "./cluster/cluster.ts";
import { endpointOf } from "./cluster/endpoint.ts";
import { RayOrganism } from "./ray-organism.ts";
import { it } from "./with-postgres.ts";

let folder: string;
let cluster: ThrowAwayCluster;

/** An authority and a certificate of the cluster's address, signed by it. */
function makeCertificate(name: string): RayTls {
  const file = (end: string) => join(folder, `${name}.${end}`);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  writeFileSync(file("ext"), "subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost\n");
  openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    `/CN=${name}-authority`,
    "-keyout",
    file("ca.key"),
    "-out",
    file("ca.pem"),
  );
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=localhost",
    "-keyout",
    file("key"),
    "-out",
    file("csr"),
  );
  openssl(
    "x509",
    "-req",
    "-in",
    file("csr"),
    "-CA",
    file("ca.pem"),
    "-CAkey",
    file("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    file("ext"),
    "-out",
    file("pem"),
  );
  return { certFile: file("pem"), keyFile: file("key"), caFile: file("ca.pem") };
}

let ours: RayTls;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sc-tls-"));
  ours = makeCertificate("ours");
  cluster = await startCluster({ tls: ours });
});

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function open(tls: RayTls | undefined) {
  return createRay({ endpoint: { ...endpointOf(cluster), tls }, namespace: "tls-test" }, { clock: systemClock });
}

test("lets in who shows a certificate of its authority, and nobody else", async () => {
  await using ray = open(ours);
  expect(await ray.task<(a: number, b: number) => number>("operator:add").call([1, 2])).toBe(3);

  for (const tls of [makeCertificate("foreign"), undefined]) {
    await using stranger = open(tls);
    const error = await stranger.versions({ deadlineMs: 10_000 }).catch((reason: ServiceError) => reason);
    expect(error).toMatchObject({ code: "UNAVAILABLE", started: "no" });
  }
});

test("says which file it cannot read", async () => {
  await using ray = open({ ...ours, keyFile: join(folder, "missing.key") });
  const error = await ray.versions().catch((reason: ServiceError) => reason);
  expect(error).toMatchObject({ code: "INVALID_INPUT", started: "no" });
  expect((error as ServiceError).message).toContain("missing.key");
});

// Ray's own connections are TLS; its dashboard, and what goes between hosts and their callers, is not.
it("an organism comes up on it, is connected to, and goes", async () => {
  const organism = await RayOrganism.create(cluster, "tls");
  try {
    expect((await organism.up()).replicas.length).toBeGreaterThan(0);
    for (const [name, value] of Object.entries(organism.environment)) vi.stubEnv(name, value);
    {
      await using connection = await connect();
      const { namespace } = await connection.getServiceClient("telemetry").status({});
      expect(namespace).toBe("tls");
      const add = connection.ray.task<(a: number, b: number) => number>("operator:add");
      expect(await add.call([1, 2])).toBe(3);
    }
    for (const name of Object.keys(tlsVariables(ours))) vi.stubEnv(name, undefined);
    await expect(connect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await organism.json("down")).toMatchObject({ stopped: true });
  } finally {
    await organism.destroy();
  }
});
