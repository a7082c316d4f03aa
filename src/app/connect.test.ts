import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import type { ml } from "#contracts/ml.ts";
import type { Client } from "#runtime/client/client.ts";
import { loadHome } from "./config.ts";
import { type Connection, connect } from "./connect.ts";
import { resolveTarget } from "./connect-target.ts";
import { processStartOf, type RunFile, writeRunFile } from "./run-file.ts";

let home: string;
let server: Server;
let asked: string[];
const open: Connection[] = [];

/** A gateway that knows one replica: itself. */
beforeEach(async () => {
  // A Ray on this machine is none of ours.
  vi.stubEnv("RAY_TMPDIR", "/nowhere");
  home = mkdtempSync(join(tmpdir(), "seedcore-connect-"));
  asked = [];
  server = createServer((request, response) => {
    const { url = "" } = request;
    asked.push(`${request.method} ${url}`);
    response.setHeader("content-type", "application/json");
    if (request.headers.authorization !== "Bearer the-token" && url !== "/-/ready") {
      const problem = { code: "UNAUTHENTICATED", detail: "The request has no token.", status: 401, started: "no" };
      response.writeHead(401).end(JSON.stringify(problem));
    } else if (url === "/-/topology") response.end(JSON.stringify(topology()));
    else if (url.startsWith("/-/topology?")) response.on("close", () => {});
    else response.end(JSON.stringify({ sources: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const connection of open.splice(0)) await connection.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(home, { recursive: true });
});

function url(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function topology() {
  const replica = { id: "ml/0@1", host: "ml", version: "1", address: url(), services: ["ml"], weight: 1 };
  return { version: 1, epoch: "e", state: "settled", replicas: [replica] };
}

/** Writes the run file and the token of an organism whose supervisor is this very process. */
function run(namespace: string, overrides: Partial<RunFile> = {}): void {
  const files = loadHome({ home, namespace }, {});
  writeRunFile(files.runFile, {
    pid: process.pid,
    processStart: processStartOf(process.pid),
    startedAtMs: 0,
    gatewayUrl: url(),
    dataDir: home,
    version: "1",
    namespace,
    phase: "ready",
    ...overrides,
  });
  mkdirSync(dirname(files.tokenFile), { recursive: true });
  writeFileSync(files.tokenFile, "the-token\n");
}

async function opened(options: Parameters<typeof connect>[0]): Promise<Connection> {
  const connection = await connect({ home, ...options });
  open.push(connection);
  return connection;
}

describe("connect", () => {
  test("without RAY_ADDRESS it is the organism on this machine, also where a Ray runs beside it", async () => {
    vi.stubEnv("RAY_ADDRESS", undefined);
    vi.stubEnv("RAY_TMPDIR", home);
    mkdirSync(join(home, "ray"));
    writeFileSync(join(home, "ray", "ray_current_cluster"), "127.0.0.1:6379\n");
    run("here");
    const connection = await opened({ namespace: "here" });
    expect(connection.target).toBe(`the organism "here" in ${join(home, "here")}`);
    expect(await connection.getServiceClient("ml").sources({})).toEqual({ sources: [] });
  });

  test("finds the organism by its run file and calls its replicas directly", async () => {
    run("one");
    const connection = await opened({ namespace: "one" });
    expect(connection.target).toContain('"one"');
    expect(connection.topology().replicas).toHaveLength(1);
    await expect(connection.getServiceClient("ml").sources({})).resolves.toEqual({ sources: [] });
    expect(await connection.isHealthy()).toBe(true);
    expect(asked).toContain("GET /ml/sources");
  });

  test("is idempotent: calls one after another and at once share a connection, until it is closed", async () => {
    run("one");
    const [first, second] = await Promise.all([opened({ namespace: "one" }), opened({ namespace: "one" })]);
    expect(second).toBe(first);
    expect(await opened({ namespace: "one" })).toBe(first);
    expect(asked.filter((line) => line === "GET /-/topology")).toHaveLength(1);
    await first?.close();
    expect(await opened({ namespace: "one" })).not.toBe(first);
  });

  test("another target while connected is an error that names both", async () => {
    run("one");
    run("two");
    await opened({ namespace: "one" });
    const other = opened({ namespace: "two" });
    await expect(other).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(other).rejects.toThrow(/"one".*"two"/);
  });

  test("without a cluster there is no connection.ray: it says why, and what to do", async () => {
    run("one");
    const local = await opened({ namespace: "one" });
    await expect(local.ray.put(1)).rejects.toMatchObject({ code: "UNSUPPORTED", started: "no" });
    expect(() => local.ray.task("m:f")).toThrow(/"one".* runs without Ray.*RAY_ADDRESS=ray:\/\//);
    await local.close();
    const gateway = await opened({ gateway: url(), token: "the-token" });
    await expect(gateway.ray.nodes()).rejects.toThrow(/the gateway http.*SERVE_GATEWAY unset.*RAY_ADDRESS=ray:\/\//);
  });

  // A process has one session, and it has one runtime environment.
  test("another runtime environment while connected is an error; none, or an equal one, is not", async () => {
    run("one");
    const first = await opened({ namespace: "one", runtimeEnv: { pip: ["a"] } });
    expect(await opened({ namespace: "one", runtimeEnv: { pip: ["a"] } })).toBe(first);
    expect(await opened({ namespace: "one" })).toBe(first);
    const other = opened({ namespace: "one", runtimeEnv: { pip: ["b"] } });
    await expect(other).rejects.toThrow(expect.objectContaining({ code: "CONFLICT" }));
    await expect(other).rejects.toThrow(/another runtimeEnv/);
  });

  test("a failure is not kept: the next call tries again", async () => {
    await expect(opened({ namespace: "one" })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    run("one");
    await expect(opened({ namespace: "one" })).resolves.toBeDefined();
  });

  test("goes through a gateway when one is named, and holds to the token that is given", async () => {
    const connection = await opened({ gateway: `${url()}/`, token: "the-token" });
    expect(connection.target).toBe(`the gateway ${url()}`);
    await connection.getServiceClient("ml").sources({});
    await connection.close();
    await expect(opened({ gateway: url(), token: "wrong" })).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(opened({ gateway: url() })).rejects.toThrow(/SEEDCORE_TOKEN/);
  });

  test("an unknown service's error lists the names", async () => {
    run("one");
    const connection = await opened({ namespace: "one" });
    expect(() => connection.getServiceClient("mll" as "ml")).toThrow(
      /"mll".*cognitive, coordinator, energy, ml, organism, state, telemetry/,
    );
  });
});

describe("nothing to connect to", () => {
  test("no run file, one of a process that has ended, and one whose pid was given to another: how to start it", async () => {
    await expect(opened({ namespace: "none" })).rejects.toThrow(/no organism.*npm start.*seedcore up/is);
    const { pid } = spawnSync("true");
    run("gone", { pid });
    await expect(opened({ namespace: "gone" })).rejects.toThrow(new RegExp(`process ${pid}, which is gone.*npm start`));
    run("recycled", { processStart: "1" });
    await expect(opened({ namespace: "recycled" })).rejects.toThrow(/npm start/);
  });

  test("a gateway that does not answer: says so, where, and how far the start has come", async () => {
    run("starting", { gatewayUrl: "http://127.0.0.1:1", phase: "migrated" });
    await expect(opened({ namespace: "starting" })).rejects.toThrow(/"starting".*http:\/\/127\.0\.0\.1:1.*"migrated"/s);
  });

  test("what is no address, or leads nowhere, says what would be right", () => {
    const environment = { SEEDCORE_HOME: home, RAY_TMPDIR: home };
    const target = (RAY_ADDRESS: string) => () => resolveTarget({}, { ...environment, RAY_ADDRESS });
    expect(target("head:6379")).toThrow(/"head:6379" is no address.*ray:\/\/host:10001/);
    expect(target("ray://head:99999")).toThrow(/is no address/);
    expect(target("auto")).toThrow(/no Ray runs on this machine.*ray start --head/);
    expect(() => resolveTarget({ gateway: "localhost:7700" }, environment)).toThrow("no gateway's URL");
  });
});

describe("the target", () => {
  test("options go before the environment, RAY_NAMESPACE before SEEDCORE_NS", () => {
    const environment = { SEEDCORE_HOME: "/h", SEEDCORE_NS: "b", RAY_NAMESPACE: "a", SEEDCORE_TOKEN: "t" };
    expect(resolveTarget({}, environment)).toMatchObject({ name: 'the organism "a" in /h/a', token: "t" });
    expect(resolveTarget({ namespace: "c", home: "/x", token: "u" }, environment)).toMatchObject({
      name: 'the organism "c" in /x/c',
      token: "u",
    });
    expect(resolveTarget({}, { ...environment, SERVE_GATEWAY: "http://g:1/x" })).toMatchObject({
      place: { kind: "gateway", url: "http://g:1" },
      name: "the gateway http://g:1",
    });
  });
});

describe("without RAY_ADDRESS", () => {
  const place = (environment: Record<string, string>) =>
    resolveTarget({}, { SEEDCORE_HOME: home, ...environment }).place;

  test("the organism on this machine goes before the Ray on it, and nothing before a gateway", () => {
    const RAY_TMPDIR = home;
    expect(place({ RAY_TMPDIR }).kind).toBe("local");
    mkdirSync(join(home, "ray"));
    writeFileSync(join(home, "ray", "ray_current_cluster"), "10.0.0.4:6379\n");
    const local = { kind: "ray", settings: { address: "ray://10.0.0.4:10001" } };
    expect(place({ RAY_TMPDIR })).toMatchObject(local);
    expect(place({ RAY_TMPDIR, RAY_ADDRESS: "auto" })).toMatchObject(local);
    run("here");
    expect(place({ RAY_TMPDIR, RAY_NAMESPACE: "here" }).kind).toBe("local");
    expect(place({ RAY_TMPDIR, RAY_ADDRESS: "auto", SERVE_GATEWAY: "http://g:1" }).kind).toBe("gateway");
  });

  test("Ray's token comes from where Ray looks for it", () => {
    const file = join(home, "ray-token");
    writeFileSync(file, "from-file\n");
    const token = (environment: Record<string, string>) => {
      const found = place({ RAY_ADDRESS: "ray://head", ...environment });
      return found.kind === "ray" ? found.settings.endpoint : undefined;
    };
    expect(token({ RAY_AUTH_TOKEN_PATH: file })).toMatchObject({ host: "head", port: 10_001, token: "from-file" });
    expect(token({ RAY_AUTH_TOKEN_PATH: file, RAY_AUTH_TOKEN: "given" })?.token).toBe("given");
    expect(token({ RAY_AUTH_TOKEN: "given", RAY_AUTH_MODE: "disabled" })?.token).toBeUndefined();
    expect(() => token({ RAY_AUTH_TOKEN_PATH: join(home, "none") })).toThrow(/RAY_AUTH_TOKEN_PATH.*cannot be read/);
    writeFileSync(file, "\n");
    expect(() => token({ RAY_AUTH_TOKEN_PATH: file })).toThrow(/RAY_AUTH_TOKEN_PATH.*is empty/);
    expect(token({ RAY_AUTH_TOKEN: "given", RAY_AUTH_MODE: "Disabled" })?.token).toBeUndefined();
  });

  // Read otherwise than by Ray, a cluster with TLS was sent its token in clear text.
  test("TLS is on where Ray has it on, and needs its files", () => {
    const files = { RAY_TLS_SERVER_CERT: "c", RAY_TLS_SERVER_KEY: "k", RAY_TLS_CA_CERT: "ca" };
    const tls = (RAY_USE_TLS: string, more: Record<string, string> = files) => {
      const found = place({ RAY_ADDRESS: "ray://head", RAY_USE_TLS, ...more });
      return found.kind === "ray" ? found.settings.endpoint.tls : undefined;
    };
    for (const on of ["1", "true", "True", "TRUE"]) {
      expect(tls(on)).toEqual({ certFile: "c", keyFile: "k", caFile: "ca" });
      expect(() => tls(on, {})).toThrow(new RegExp(`RAY_USE_TLS is ${on}.*RAY_TLS_SERVER_CERT`));
    }
    for (const off of ["0", "false"]) expect(tls(off)).toBeUndefined();
  });
});

test("types: a built-in client is its contract's", () => {
  expectTypeOf<ReturnType<typeof getMl>>().toEqualTypeOf<Client<typeof ml>>();
});

function getMl(connection: Connection) {
  return connection.getServiceClient("ml");
}
