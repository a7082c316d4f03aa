import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { freePorts } from "../../free-ports.ts";
import type { RayTls } from "#runtime/ray/client/wire.ts";
import { type Keeper, startKeeper } from "./keeper.ts";
import { python, venv } from "./python.ts";

/** Where a cluster is and how to get in; plain data, so that vitest can hand it to the tests. */
export interface ClusterAddress {
  /** For RAY_ADDRESS: `ray://host:port`. */
  readonly address: string;
  /** For Python's `ray.init`: `host:port` of the GCS. */
  readonly gcsAddress: string;
  readonly dashboardUrl: string;
  /** Serve's HTTP proxy, on the head only. */
  readonly serveUrl: string;
  /** Empty when token authentication is off. */
  readonly token: string;
  /** For RAY_AUTH_TOKEN_PATH. */
  readonly tokenFile: string;
  /** The environment's Python, with Ray. */
  readonly python: string;
  /** The files that its processes show and trust; undefined when it speaks without TLS. */
  readonly tls: RayTls | undefined;
  /** IP addresses of the nodes, head first. */
  readonly nodes: readonly string[];
}

export interface ClusterOptions {
  /** Raylets beside the head. @default 0 */
  readonly workers?: number;
  /** Token authentication. @default true */
  readonly token?: boolean;
  /** Start Serve, empty, so that its port is known. @default true */
  readonly serve?: boolean;
  /** Where Serve listens. With HAProxy it must be 127.0.0.1, where that looks for replicas. @default the head's address */
  readonly serveHost?: string;
  readonly tls?: RayTls;
  /** More variables for every process of the cluster; undefined leaves one out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A Ray cluster on this machine that no other cluster knows of and that ends with whoever started it. */
export interface ThrowAwayCluster extends ClusterAddress {
  readonly processes: Keeper["processes"];
  /** Starts the head's processes again, on the same ports, after they were killed, and Serve if it had been. */
  startHead(): Promise<void>;
  /** Starts a raylet beside the head again, after it was killed. @param index 1 for the first */
  startWorker(index: number): Promise<void>;
  /** Starts a process that ends with the cluster. */
  startInBackground(command: readonly string[]): Promise<void>;
  /** Kills everything and removes the cluster's folder. */
  stop(): Promise<void>;
}

/**
 * Starts a cluster of real raylets on free ports of loopback addresses and waits until every node is alive.
 * Each raylet has an address of its own (127.0.0.2, .3, …), because Ray tells nodes apart by it and replaces 127.0.0.1.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<ThrowAwayCluster> {
  if (!existsSync(python)) throw new Error(`${python} is missing: \`npm test -- python\` makes it.`);
  // Short, because Ray puts Unix sockets below it and those names end at 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), "sc-ray-"));
  const tokenFile = join(folder, "token");
  const token = (options.token ?? true) ? randomBytes(32).toString("hex") : "";
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const nodes = Array.from({ length: 1 + (options.workers ?? 0) }, (_, index) => `127.0.0.${index + 2}`);
  const [head = ""] = nodes;
  const serveHost = options.serveHost ?? head;
  const [gcsPort = 0, clientPort = 0, dashboardPort = 0, servePort = 0, ...agentPorts] = await freePorts(
    4 + nodes.length,
  );

  const keeper = startKeeper(folder, {
    ...inherited(),
    PATH: [join(venv, "bin"), dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter),
    // Without it the head's ray:// proxy crashes in every third fork.
    GRPC_ENABLE_FORK_SUPPORT: "0",
    RAY_USAGE_STATS_ENABLED: "0",
    // Ray would kill workers when this machine, not the cluster, is short of memory.
    RAY_memory_monitor_refresh_ms: "0",
    ...(token === "" ? { RAY_AUTH_MODE: "disabled" } : { RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: tokenFile }),
    ...tlsVariables(options.tls),
    ...options.env,
  });

  const cluster: ClusterAddress = {
    address: `ray://${head}:${clientPort}`,
    gcsAddress: `${head}:${gcsPort}`,
    dashboardUrl: `http://${head}:${dashboardPort}`,
    serveUrl: `http://${serveHost}:${servePort}`,
    token,
    tokenFile,
    python,
    tls: options.tls,
    nodes,
  };

  async function startNode(index: number, ...more: readonly string[]): Promise<void> {
    const code = await keeper.run(
      "ray",
      "start",
      `--node-ip-address=${nodes[index]}`,
      "--num-cpus=8",
      "--object-store-memory=100000000",
      // Random ports for workers: two raylets on one machine would fight about the default range.
      "--min-worker-port=0",
      "--max-worker-port=0",
      `--dashboard-agent-listen-port=${agentPorts[index]}`,
      "--include-log-monitor=false",
      "--disable-usage-stats",
      ...more,
    );
    if (code !== 0) throw new Error(`ray start failed (${code}):\n${readFileSync(join(folder, "start.log"), "utf8")}`);
  }

  const startHead = (): Promise<void> => {
    // A head that was killed left it here, and while a worker of its lives Ray takes that for a head that runs.
    rmSync(join(folder, "ray_current_cluster"), { force: true });
    return startNode(
      0,
      "--head",
      `--port=${gcsPort}`,
      `--ray-client-server-port=${clientPort}`,
      `--dashboard-host=${head}`,
      `--dashboard-port=${dashboardPort}`,
      `--temp-dir=${folder}`,
    );
  };

  const startWorker = (index: number): Promise<void> =>
    startNode(
      index,
      `--address=${cluster.gcsAddress}`,
      // In one folder two raylets would unpack a package over each other, under the feet of who runs in it.
      `--temp-dir=${join(folder, String(index))}`,
    );

  const untilUp = async (count: number): Promise<void> => {
    await untilNodesAreAlive(cluster, count);
    await untilSomebodyListens(head, clientPort);
    if (options.serve ?? true) await startServe(cluster, serveHost, servePort);
  };

  try {
    await startHead();
    for (const index of nodes.keys()) if (index > 0) await startWorker(index);
    await untilUp(nodes.length);
  } catch (error) {
    await keeper.stop();
    throw error;
  }
  return {
    ...cluster,
    processes: keeper.processes,
    async startHead() {
      await startHead();
      await untilUp(1);
    },
    startWorker,
    async startInBackground(command) {
      await keeper.run("sh", "-c", '"$@" >/dev/null 2>&1 &', "sh", ...command);
    },
    stop: keeper.stop,
  };
}

/** The port answers some seconds before the nodes are known. */
async function untilNodesAreAlive(cluster: ClusterAddress, count: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const answer = await call(cluster, "GET", "/api/v0/nodes").catch(String);
    if (answer.split('"ALIVE"').length > count) return;
    if (tries === 300) throw new Error(`The nodes did not come alive within a minute: ${answer}`);
    await sleep(200);
  }
}

/** The client server is the last of the head's processes to listen. */
async function untilSomebodyListens(host: string, port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const socket = connect(port, host);
    const listens = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (listens) return;
    if (tries === 300) throw new Error(`Ray's client server did not listen on ${host}:${port} within a minute.`);
    await sleep(200);
  }
}

/** Its HTTP options are fixed once it runs, and the default port may be anybody's. */
async function startServe(cluster: ClusterAddress, host: string, port: number): Promise<void> {
  const config = { proxy_location: "HeadOnly", http_options: { host, port }, applications: [] };
  await call(cluster, "PUT", "/api/serve/applications/", config);
  for (let tries = 0; ; tries++) {
    const answer = await call(cluster, "GET", "/api/serve/applications/").catch(String);
    if (/"proxies": ?\{"[^}]*"HEALTHY"/.test(answer)) return;
    if (tries === 300) throw new Error(`Serve's proxy did not get healthy within a minute: ${answer}`);
    await sleep(200);
  }
}

async function call(cluster: ClusterAddress, method: "GET" | "PUT", path: string, body?: object): Promise<string> {
  const response = await request(cluster.dashboardUrl + path, {
    method,
    headers: { "user-agent": "seedcore-test", authorization: `Bearer ${cluster.token}` },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.body.text();
  if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
  return text;
}

/** Ray's own, for both sides of a connection. */
export function tlsVariables(tls: RayTls | undefined): Record<string, string> {
  if (tls === undefined) return {};
  const { certFile, keyFile, caFile } = tls;
  return { RAY_USE_TLS: "1", RAY_TLS_SERVER_CERT: certFile, RAY_TLS_SERVER_KEY: keyFile, RAY_TLS_CA_CERT: caFile };
}

/** What the cluster may see of this process's environment: nothing that would lead it to another Ray or Python. */
function inherited(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(RAY_|PYTHON|VIRTUAL_ENV|SEEDCORE_|NODE_|VITEST)/.test(name),
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}
