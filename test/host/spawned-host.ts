/** Drives one real host process as an engine does: lines on its standard input, lines from descriptor 3. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Scope } from "#core/contract.ts";
import { createKeyPair } from "#runtime/auth/key-pair.ts";
import { mintToken } from "#runtime/auth/token.ts";
import { HostSpec, type HostSpecInput } from "#runtime/engine/host-spec.ts";
import type { FromHost, HostAssignment, ToHost } from "#runtime/host/control.ts";
import type { Topology } from "#runtime/topology.ts";

const PROGRAM = fileURLToPath(new URL("./toy-host.ts", import.meta.url));
const pair = createKeyPair();

export interface SpawnedHost {
  readonly pid: number;
  readonly token: string;
  readonly child: ChildProcess;
  /** Everything it wrote to standard output and error. */
  output(): string;
  send(message: ToHost): void;
  /** The first message of the type, past or to come. */
  message<T extends FromHost["type"]>(type: T): Promise<Extract<FromHost, { type: T }>>;
  messages(): readonly FromHost[];
  exit(): Promise<number | null>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
}

export async function spawnHost(
  dataDir: string,
  spec: Partial<HostSpecInput> & { services: string[] },
  overrides: Partial<HostAssignment> = {},
  environment: Readonly<Record<string, string>> = {},
): Promise<SpawnedHost> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM], {
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const received: FromHost[] = [];
  const waiting = new Set<() => void>();
  let address = "";
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  createInterface({ input: child.stdio[3] as Readable }).on("line", (line) => {
    const message = JSON.parse(line) as FromHost;
    if (message.type === "listening") address = message.address;
    received.push(message);
    for (const wake of waiting) wake();
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  (child.stdin as Writable).on("error", () => {});
  const mint = (subject: string, scopes: Scope[]) =>
    mintToken(pair.privateJwk, { subject, scopes, namespace: "test", ttlMs: 600_000 });
  const token = await mint("tester", ["read", "operate"]);
  const headersOf = (more: Record<string, string>) => ({ authorization: `Bearer ${token}`, ...more });
  const send = (message: ToHost) => void (child.stdin as Writable).write(`${JSON.stringify(message)}\n`);

  const host: SpawnedHost = {
    pid: child.pid ?? 0,
    token,
    child,
    output: () => output,
    send,
    messages: () => received,
    async message(type) {
      while (true) {
        const found = received.find((message) => message.type === type);
        if (found !== undefined) return found as never;
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.add(resolve);
        const ended = await Promise.race([promise.then(() => false), exited.then(() => true)]);
        waiting.delete(resolve);
        if (ended && !received.some((message) => message.type === type)) {
          throw new Error(`The host ended without "${type}".\n${output}`);
        }
      }
    },
    exit: () => exited,
    get: (path, headers = {}) => fetch(`${address}${path}`, { headers: headersOf(headers) }),
    post: (path, body, headers = {}) =>
      fetch(`${address}${path}`, {
        method: "POST",
        headers: headersOf({ "content-type": "application/json", ...headers }),
        body: JSON.stringify(body),
      }),
  };
  send({
    type: "assign",
    assignment: {
      replicaId: "toy/0@1",
      spec: HostSpec.parse({ name: "toy", ...spec }),
      namespace: "test",
      dataDir,
      databaseUrl: `sqlite:${dataDir}`,
      bindAddress: "127.0.0.1",
      publicKey: pair.publicJwk,
      token: await mint("service:toy", ["read", "operate", "admin"]),
      config: {},
      topology: topologyOf([], 0),
      engine: { kind: "embedded", hosts: [] },
      ...overrides,
    },
  });
  return host;
}

/** A settled topology in which each of the given replicas serves what it is said to. */
export function topologyOf(replicas: { id: string; address: string; services: string[] }[], version = 1): Topology {
  return {
    version,
    epoch: "test",
    state: "settled",
    replicas: replicas.map((replica) => ({ host: "toy", version: "1", weight: 1, ...replica })),
  };
}
