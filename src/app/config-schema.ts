/** The schema of the configuration, its defaults, and how file and environment are laid over them. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { HostSpec, type HostSpecInput, whyNotReplicas } from "#runtime/engine/host-spec.ts";
import { toDatabasePlace, toSchemaName } from "#runtime/storage/database-url.ts";
import { CoordinatorConfig } from "#services/coordinator/config.ts";
import { compilePolicy } from "#services/coordinator/policy/policy.ts";
import { OrganismConfig } from "#services/organism/config.ts";
import { TelemetryConfig } from "#services/telemetry/config.ts";
import { ConfigError, type Environment, SECRET_PREFIX, variable } from "./config.ts";
import type { Home } from "./home.ts";
import { nearestName } from "./nearest-name.ts";
import { SEEDCORE_VERSION } from "./version.ts";

const LOOPBACK = "127.0.0.1";
/** Those that stand for all addresses of a machine. */
export const EVERY_ADDRESS: readonly string[] = ["0.0.0.0", "::"];

const Port = z.int().min(1).max(65_535);

const LogLevel = z.enum(["debug", "info", "warn", "error"]);

export const ConfigFile = z.strictObject({
  /** Of the gateway. */
  port: z.int().min(0).max(65_535).default(7700),
  bindAddress: z.string().min(1).default(LOOPBACK),
  /** On Ray, first and last port of hosts without one of their own. */
  portRange: z
    .tuple([Port, Port])
    .refine(([first, last]) => first <= last, "it ends before it begins")
    .optional(),
  /** Host names besides loopback's that the gateway answers to. */
  allowedHosts: z.array(z.string().min(1)).default([]),
  logLevel: LogLevel.default("info"),
  /** Overrides of the default host specs, and host specs of your own, by name. */
  hosts: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  /** Live configuration by service: a change reaches the running services. */
  services: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});
type FileInput = z.input<typeof ConfigFile>;

export interface Config {
  readonly home: Home;
  readonly port: number;
  readonly bindAddress: string;
  readonly portRange?: readonly [number, number] | undefined;
  readonly allowedHosts: readonly string[];
  readonly logLevel: z.output<typeof LogLevel>;
  /** `sqlite:<dataDir>`, or a PostgreSQL URL, which may hold a password. */
  readonly databaseUrl: string;
  readonly hosts: readonly HostSpec[];
  /** Hosts whose replica count was written down, so that an earlier `scale` does not stand. */
  readonly pinnedReplicas: ReadonlySet<string>;
  readonly services: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The light services together, ml by itself. */
export const DEFAULT_HOSTS: readonly HostSpecInput[] = [
  { name: "gateway", services: ["gateway"] },
  { name: "core", services: ["cognitive", "coordinator", "energy", "organism", "state", "telemetry"] },
  { name: "ml", services: ["ml"], cpus: 1 },
];

/** On Ray each by itself, and one that keeps the others as they should be. */
const RAY_HOSTS: readonly HostSpecInput[] = [
  ...DEFAULT_HOSTS.flatMap(({ services, ...spec }) => services.map((name) => ({ ...spec, name, services: [name] }))),
  // It serves nobody: what it is at when it stops, the next one does again.
  { name: "engine", services: ["engine"], drainMs: 10_000 },
];

/** Suffixes of the original's variables `<SERVICE>_<SUFFIX>`, and the host-spec field each sets. */
const HOST_VARIABLES = {
  REPLICAS: { field: "replicas", from: Number },
  NUM_CPUS: { field: "cpus", from: Number },
  NUM_GPUS: { field: "gpus", from: Number },
  MEMORY: { field: "memoryMb", from: (text: string) => Math.floor(Number(text) / 1024 ** 2) },
  MAX_ONGOING_REQUESTS: { field: "maxConcurrency", from: Number },
} as const;

/** Live configuration by service, as the services themselves declare it. */
const SERVICE_SCHEMAS: Readonly<Record<string, z.ZodObject>> = {
  coordinator: CoordinatorConfig.omit({ refused: true }).strict(),
  organism: OrganismConfig.strict(),
  telemetry: TelemetryConfig.strict(),
};

/** The file's content; an empty object when there is none and none was asked for. @throws ConfigError */
export function readConfigFile(path: string, environment: Environment): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing && variable("SEEDCORE_CONFIG", environment) === undefined) return {};
    throw new ConfigError(path, [missing ? "There is no such file." : (error as Error).message]);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(path, [`This is not JSON: ${(error as Error).message}.`]);
  }
}

/** Lays the environment over the file over the defaults. @throws ConfigError naming every problem at once. */
export function resolveConfig(
  home: Home,
  file: unknown,
  environment: Environment = {},
  engine: "embedded" | "ray" = "embedded",
): Config {
  const problems: string[] = [];
  const port = variable("SEEDCORE_PORT", environment);
  if (port !== undefined && !/^\d+$/.test(port))
    throw new ConfigError("SEEDCORE_PORT", [`It is "${port}", which is no port: give a number from 1 to 65535.`]);
  const parsed = ConfigFile.safeParse(withEnvironment(file, environment));
  if (!parsed.success) throw new ConfigError(home.configFile, sentences(parsed.error, ConfigFile, []));
  const { hosts: overrides, ...settings } = parsed.data;

  const byName = new Map<string, Record<string, unknown>>(
    (engine === "ray" ? RAY_HOSTS : DEFAULT_HOSTS).map((host) => [host.name, { ...host }]),
  );
  for (const [name, override] of Object.entries(overrides))
    byName.set(name, { ...byName.get(name), name, ...override });
  const pinnedReplicas = new Set(Object.keys(overrides).filter((name) => "replicas" in (overrides[name] ?? {})));
  for (const { host, field, value } of hostVariables(byName, environment)) {
    byName.set(host, { ...byName.get(host), [field]: value });
    if (field === "replicas") pinnedReplicas.add(host);
  }

  const hosts: HostSpec[] = [];
  for (const [name, input] of byName) {
    const port = name === "gateway" ? { port: settings.port } : {};
    const spec = HostSpec.safeParse({ version: SEEDCORE_VERSION, ...port, ...input });
    if (spec.success) hosts.push(spec.data);
    else problems.push(...sentences(spec.error, HostSpec, ["hosts", name]));
  }
  for (const spec of hosts) {
    const why = whyNotReplicas(spec, spec.replicas, engine);
    if (why !== undefined) problems.push(why);
  }
  const { bindAddress, portRange } = settings;
  if (engine === "ray" && ![LOOPBACK, ...EVERY_ADDRESS].includes(bindAddress))
    problems.push(
      `bindAddress ${bindAddress} cannot be that of every node: leave it out for each node's own, or give ${EVERY_ADDRESS.join(" or ")}.`,
    );
  if (engine === "ray" && portRange !== undefined) problems.push(...fixedPortsWithin(portRange, hosts));
  problems.push(...servedTwice(hosts), ...serviceProblems(settings.services));
  const databaseUrl = variable("DATABASE_URL", environment) ?? `sqlite:${home.dataDir}`;
  problems.push(...databaseProblems(databaseUrl, home));
  if (problems.length > 0) throw new ConfigError(home.configFile, problems);
  return { home, ...settings, databaseUrl, hosts, pinnedReplicas };
}

function withEnvironment(file: unknown, environment: Environment): unknown {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return file;
  const merged: Record<string, unknown> = { ...(file as FileInput) };
  const port = variable("SEEDCORE_PORT", environment);
  if (port !== undefined) merged.port = Number(port);
  const bind = variable("SEEDCORE_BIND", environment);
  if (bind !== undefined) merged.bindAddress = bind;
  const allowed = variable("SEEDCORE_ALLOWED_HOSTS", environment);
  if (allowed !== undefined) merged.allowedHosts = allowed.split(",").map((name) => name.trim());
  const level = variable("SEEDCORE_LOG_LEVEL", environment);
  if (level !== undefined) merged.logLevel = level;
  const secrets = secretsOf(environment);
  if (Object.keys(secrets).length > 0) {
    const services = (merged.services ?? {}) as Record<string, Record<string, unknown>>;
    const withSecrets = (service: Record<string, unknown> | undefined) => ({
      ...service,
      secrets: { ...(service?.secrets as object | undefined), ...secrets },
    });
    merged.services = {
      ...services,
      organism: withSecrets(services.organism),
      telemetry: withSecrets(services.telemetry),
    };
  }
  return merged;
}

/** Told before anything is started. */
function databaseProblems(url: string, home: Home): string[] {
  try {
    // The longest name of a database.
    if (toDatabasePlace(url).dialect === "postgres") toSchemaName(home.namespace, "seedcore");
    return [];
  } catch (error) {
    return [`DATABASE_URL: ${(error as Error).message}`];
  }
}

/** What sources may send to the servers they ask, and where notifications go, by the name they give: `SEEDCORE_SECRET_<NAME>`. */
function secretsOf(environment: Environment): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of Object.keys(environment)) {
    const value = variable(name, environment);
    if (name.startsWith(SECRET_PREFIX) && value !== undefined) found[name.slice(SECRET_PREFIX.length)] = value;
  }
  return found;
}

/** Services that share a host also share its process, so the largest of their wishes is the host's. */
function hostVariables(hosts: ReadonlyMap<string, Record<string, unknown>>, environment: Environment) {
  const found: { host: string; field: string; value: number }[] = [];
  for (const [host, { services }] of hosts) {
    if (!Array.isArray(services)) continue;
    for (const [suffix, { field, from }] of Object.entries(HOST_VARIABLES)) {
      const values = services.flatMap((service) => {
        const text = variable(`${String(service).toUpperCase().replaceAll("-", "_")}_${suffix}`, environment);
        return text === undefined ? [] : [from(text)];
      });
      if (values.length > 0) found.push({ host, field, value: Math.max(...values) });
    }
  }
  return found;
}

function serviceProblems(services: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(services).flatMap(([name, settings]) => {
    const schema = Object.hasOwn(SERVICE_SCHEMAS, name) ? SERVICE_SCHEMAS[name] : undefined;
    if (schema === undefined) {
      return [
        `services.${name} has no settings. Services with settings are ${Object.keys(SERVICE_SCHEMAS).join(", ")}.`,
      ];
    }
    const parsed = schema.safeParse(settings);
    if (!parsed.success) return sentences(parsed.error, schema, ["services", name]);
    return name === "coordinator" ? policyProblems(parsed.data) : [];
  });
}

/** A policy that cannot be used is found before anything starts, and a live change of it changes nothing. */
function policyProblems(settings: unknown): readonly string[] {
  const { policy, modes } = settings as Pick<z.output<typeof CoordinatorConfig>, "policy" | "modes">;
  const compiled = compilePolicy(policy, modes);
  return "problems" in compiled ? compiled.problems : [];
}

/** Two that listen on one port share it, and each would get calls of the other. */
function fixedPortsWithin([first, last]: readonly [number, number], hosts: readonly HostSpec[]): string[] {
  return hosts
    .filter(({ port }) => port !== 0 && port >= first && port <= last)
    .map(
      ({ name, port }) =>
        `portRange ${first} to ${last} holds ${port}, the fixed port of hosts.${name}, which another host could take: end it before or begin it after, or give the host another port.`,
    );
}

function servedTwice(hosts: readonly HostSpec[]): string[] {
  const seen = new Map<string, string>();
  const problems: string[] = [];
  for (const { name, services } of hosts) {
    for (const service of services) {
      const other = seen.get(service);
      if (other !== undefined) problems.push(`"${service}" is served by the hosts "${other}" and "${name}": keep one.`);
      seen.set(service, name);
    }
  }
  return problems;
}

function sentences(error: z.ZodError, schema: z.ZodObject, prefix: readonly string[]): string[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path.map(String)].join(".");
    if (issue.code !== "unrecognized_keys") return [`${path === "" ? "The configuration" : path}: ${issue.message}.`];
    const known = Object.keys(schema.shape);
    return issue.keys.map((key) => {
      const near = nearestName(key, known);
      const hint = near === undefined ? `Known are ${known.join(", ")}.` : `Did you mean "${near}"?`;
      return `${path === "" ? "" : `${path}.`}${key} is no setting. ${hint}`;
    });
  });
}
