/** An organism on a test cluster, brought up with the launcher, with a PostgreSQL database of its own. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { resolveHome } from "#app/home.ts";
import { createTestDatabase, type TestDatabase } from "../postgres/server.ts";
import { type CommandResult, type RunningCommand, TestOrganism } from "../app/organism.ts";
import { type ClusterAddress, tlsVariables } from "./cluster/cluster.ts";

/** What `up --json` prints. */
export interface Started {
  readonly url: string;
  /** For a browser: the token is behind the `#`. */
  readonly urlWithToken: string;
  readonly rayVersion: string;
  readonly nodes: readonly string[];
  readonly replicas: readonly {
    readonly host: string;
    readonly replica: string;
    readonly node: string;
    readonly pid: number;
    readonly address: string;
  }[];
}

export class RayOrganism {
  readonly #command: TestOrganism;
  readonly #database: TestDatabase;
  readonly namespace: string;

  private constructor(command: TestOrganism, database: TestDatabase, namespace: string) {
    this.#command = command;
    this.#database = database;
    this.namespace = namespace;
  }

  /**
   * Nothing is up yet.
   * @param config content of its `seedcore.json`
   */
  static async create(cluster: ClusterAddress, namespace: string, config: object = {}): Promise<RayOrganism> {
    const database = await createTestDatabase();
    const environment = { ...environmentFor(cluster), DATABASE_URL: database.url, SEEDCORE_NS: namespace };
    const command = await TestOrganism.create(environment);
    const { configFile } = resolveHome({ home: command.home, namespace });
    mkdirSync(dirname(configFile), { recursive: true });
    writeFileSync(configFile, JSON.stringify(config));
    return new RayOrganism(command, database, namespace);
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#command.environment;
  }

  run(...args: string[]): Promise<CommandResult> {
    return this.#command.run(...args);
  }

  start(...args: string[]): RunningCommand {
    return this.#command.start(...args);
  }

  /** Runs a command that must succeed, with `--json`. */
  async json<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await this.run(...args, "--json");
    if (code !== 0) throw new Error(`seedcore ${args.join(" ")} failed with ${code}:\n${stderr}${stdout}`);
    return JSON.parse(stdout) as T;
  }

  up(): Promise<Started> {
    return this.json("up");
  }

  /** Takes it down, and its database with it. */
  async destroy(): Promise<void> {
    await this.#command.destroy();
    await this.#database.drop();
  }
}

/** How a command finds the cluster. */
export function environmentFor({ address, token, tls }: ClusterAddress): Record<string, string> {
  const { SEEDCORE_RAY_ANY_VERSION = "" } = process.env;
  return {
    RAY_ADDRESS: address,
    SEEDCORE_RAY_ANY_VERSION,
    ...(token === "" ? { RAY_AUTH_MODE: "disabled" } : { RAY_AUTH_TOKEN: token }),
    ...tlsVariables(tls),
  };
}

export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
