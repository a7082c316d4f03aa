/**
 * Configuration: defaults < file < environment. The only reader of `process.env`; docs/configuration.md lists the names.
 * Cheap to import: the schema is loaded when a whole configuration is asked for.
 */

import type { Config } from "./config-schema.ts";
import { type Home, type HomeOptions, resolveHome } from "./home.ts";

export type { Config } from "./config-schema.ts";

/** What a person got wrong in the configuration; `problems` has one sentence each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** The file, or the setting. */
  readonly where: string;
  readonly problems: readonly string[];

  constructor(where: string, problems: readonly string[]) {
    super(`${where}: ${problems.join(" ")}`);
    this.where = where;
    this.problems = problems;
  }
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** How an outside client finds an organism; everything undefined means the one on this machine. */
export interface ConnectSettings {
  readonly rayAddress: string | undefined;
  /** A gateway to go through when replicas cannot be reached directly. */
  readonly gatewayUrl: string | undefined;
  readonly token: string | undefined;
}

/** Variables that hold a secret of a source; docs/sources.md. */
export const SECRET_PREFIX = "SEEDCORE_SECRET_";

/** An environment variable, empty counting as unset. */
export function variable(name: string, environment: Environment = process.env): string | undefined {
  const value = environment[name]?.trim();
  return value === undefined || value === "" ? undefined : value;
}

/** @throws ConfigError when the namespace cannot be used. */
export function loadHome(options: HomeOptions = {}, environment: Environment = process.env): Home {
  const read = (name: string) => variable(name, environment);
  try {
    return resolveHome({
      home: options.home ?? read("SEEDCORE_HOME"),
      namespace: options.namespace ?? read("RAY_NAMESPACE") ?? read("SEEDCORE_NS"),
      configFile: options.configFile ?? read("SEEDCORE_CONFIG"),
      dataDir: options.dataDir ?? read("SEEDCORE_DATA_DIR"),
    });
  } catch (error) {
    throw new ConfigError("namespace", [(error as Error).message]);
  }
}

export function loadConnectSettings(environment: Environment = process.env): ConnectSettings {
  return {
    rayAddress: variable("RAY_ADDRESS", environment),
    gatewayUrl: variable("SERVE_GATEWAY", environment),
    token: variable("SEEDCORE_TOKEN", environment),
  };
}

/** Reads, merges and validates everything. @throws ConfigError naming every problem. */
export async function loadConfig(
  home: Home,
  { engine = "embedded", environment = process.env }: LoadConfigOptions = {},
): Promise<Config> {
  const { resolveConfig, readConfigFile } = await import("./config-schema.ts");
  return resolveConfig(home, readConfigFile(home.configFile, environment), environment, engine);
}

export interface LoadConfigOptions {
  /** Which hosts there are by default. @default "embedded" */
  readonly engine?: "embedded" | "ray";
  readonly environment?: Environment;
}

/** The environment of a detached supervisor: ours, without what belongs to this process alone. */
export function supervisorEnvironment(environment: Environment = process.env): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && name !== "SEEDCORE_TOKEN" && name !== "NODE_OPTIONS") kept[name] = value;
  }
  return kept;
}

/** The environment that hosts inherit: the same without secrets, which they get over their control channel. */
export function childEnvironment(environment: Environment = process.env): Record<string, string> {
  const all = Object.entries(supervisorEnvironment(environment));
  return Object.fromEntries(all.filter(([name]) => !name.startsWith(SECRET_PREFIX) && name !== "DATABASE_URL"));
}
