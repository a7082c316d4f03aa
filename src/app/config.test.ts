import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HostSpec } from "#runtime/engine/host-spec.ts";
import { ConfigError, childEnvironment, loadHome } from "./config.ts";
import { ConfigFile, resolveConfig } from "./config-schema.ts";
import { resolveHome } from "./home.ts";
import { nearestName } from "./nearest-name.ts";
import { SEEDCORE_VERSION } from "./version.ts";

const home = resolveHome({ home: "/nowhere", namespace: "test" });
const hostOf = (file: unknown, environment: Record<string, string>, name: string) =>
  resolveConfig(home, file, environment).hosts.find((host) => host.name === name);
function problemsOf(file: unknown, environment: Record<string, string> = {}): readonly string[] {
  try {
    resolveConfig(home, file, environment);
    return [];
  } catch (error) {
    return (error as ConfigError).problems;
  }
}

describe("defaults", () => {
  it("are these", () => {
    const { hosts, home: _home, pinnedReplicas, ...settings } = resolveConfig(home, {});
    expect(settings).toEqual({
      port: 7700,
      bindAddress: "127.0.0.1",
      allowedHosts: [],
      logLevel: "info",
      databaseUrl: "sqlite:/nowhere/test/data",
      services: {},
    });
    expect(hosts.map(({ name, services, replicas, port }) => ({ name, services, replicas, port }))).toEqual([
      { name: "gateway", services: ["gateway"], replicas: 1, port: 7700 },
      {
        name: "core",
        services: ["cognitive", "coordinator", "energy", "organism", "state", "telemetry"],
        replicas: 1,
        port: 0,
      },
      { name: "ml", services: ["ml"], replicas: 1, port: 0 },
    ]);
    expect(pinnedReplicas.size).toBe(0);
  });

  it("have the version of the package", () => {
    const manifest = readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8");
    expect((JSON.parse(manifest) as { version: string }).version).toBe(SEEDCORE_VERSION);
  });
});

describe("precedence", () => {
  it("is environment over file over defaults", () => {
    expect(resolveConfig(home, { port: 1 }).port).toBe(1);
    expect(resolveConfig(home, { port: 1 }, { SEEDCORE_PORT: "2" }).port).toBe(2);
    expect(resolveConfig(home, { port: 1 }, { SEEDCORE_PORT: "" }).port).toBe(1);
    expect(hostOf({ hosts: { ml: { replicas: 2 } } }, {}, "ml")).toMatchObject({ replicas: 2, services: ["ml"] });
    expect(hostOf({ hosts: { ml: { replicas: 2 } } }, { ML_REPLICAS: "3" }, "ml")?.replicas).toBe(3);
  });

  it("takes the namespace from RAY_NAMESPACE, then SEEDCORE_NS", () => {
    const of = (environment: Record<string, string>) => loadHome({}, environment).namespace;
    expect(of({ RAY_NAMESPACE: "a", SEEDCORE_NS: "b" })).toBe("a");
    expect(of({ RAY_NAMESPACE: "", SEEDCORE_NS: "b" })).toBe("b");
    expect(of({})).toBe("seedcore-dev");
    expect(() => of({ SEEDCORE_NS: "../other" })).toThrow(ConfigError);
  });
});

describe("the original's variables", () => {
  it("set the host that serves the service; of those in one process the largest", () => {
    const environment = {
      COORDINATOR_REPLICAS: "2",
      ORGANISM_REPLICAS: "3",
      ORGANISM_NUM_CPUS: "0.5",
      ORGANISM_NUM_GPUS: "1",
      ORGANISM_MEMORY: String(1024 ** 3),
      ORGANISM_MAX_ONGOING_REQUESTS: "16",
    };
    expect(hostOf({}, environment, "core")).toMatchObject({
      replicas: 3,
      cpus: 0.5,
      gpus: 1,
      memoryMb: 1024,
      maxConcurrency: 16,
    });
    expect(resolveConfig(home, {}, environment).pinnedReplicas).toEqual(new Set(["core"]));
  });
});

describe("secrets for sources", () => {
  it("come from the environment and are kept from child processes", () => {
    const { services } = resolveConfig(home, {}, { SEEDCORE_SECRET_PROM: "Bearer x" });
    expect(services.telemetry).toEqual({ secrets: { PROM: "Bearer x" } });
    expect(childEnvironment({ SEEDCORE_SECRET_PROM: "Bearer x", SEEDCORE_TOKEN: "t", LANG: "C" })).toEqual({
      LANG: "C",
    });
  });
});

describe("the database", () => {
  it("is where DATABASE_URL says, which child processes are not told", () => {
    const url = "postgres://me:secret@db.example.org/seedcore";
    expect(resolveConfig(home, {}, { DATABASE_URL: url }).databaseUrl).toBe(url);
    expect(childEnvironment({ DATABASE_URL: url, LANG: "C" })).toEqual({ LANG: "C" });
  });

  it("is refused when it cannot be one, without its password", () => {
    for (const url of ["mysql://me:secret@host/db", "postgres://me:secret@host:port/db", "postgres:// me:secret@"]) {
      const [problem, ...others] = problemsOf({}, { DATABASE_URL: url });
      expect(others).toEqual([]);
      expect(problem).toMatch(/^DATABASE_URL: .*Write postgres:\/\/user:password@host:5432\/database/);
      expect(problem).not.toContain("secret");
    }
  });
});

describe("mistakes", () => {
  it("are all told at once, with the name that was meant", () => {
    expect(problemsOf({ prot: 1, logLevl: "info", bogus: true })).toEqual([
      'prot is no setting. Did you mean "port"?',
      'logLevl is no setting. Did you mean "logLevel"?',
      expect.stringContaining("bogus is no setting. Known are port, "),
    ]);
    expect(problemsOf({ hosts: { ml: { replcas: 2 } } })).toEqual([
      'hosts.ml.replcas is no setting. Did you mean "replicas"?',
    ]);
  });

  it.each([
    [{ port: 70_000 }, /port/],
    [{ port: "7700" }, /port/],
    [{ hosts: { core: { replicas: -1 } } }, /hosts\.core\.replicas/],
    [{ hosts: { mine: { replicas: 1 } } }, /hosts\.mine\.services/],
    [{ hosts: { other: { services: ["ml"] } } }, /"ml" is served by the hosts "ml" and "other"/],
    [{ hosts: { gateway: { replicas: 2 } } }, /"gateway" has the fixed port 7700, so 2 replicas/],
    [{ services: { coordinator: { tasks: { slots: 0 } } } }, /services\.coordinator\.tasks\.slots/],
    [{ services: { organism: { agentsPerOrgn: 3 } } }, /Did you mean "agentsPerOrgan"/],
    [{ services: { energy: {} } }, /services\.energy has no settings/],
    [[], /configuration/],
  ])("refuse %j", (file, message) => {
    expect(problemsOf(file).join(" ")).toMatch(message);
  });

  it("in a variable are told too", () => {
    expect(problemsOf({}, { SEEDCORE_PORT: "80x" }).join(" ")).toMatch(/"80x", which is no port/);
    expect(problemsOf({}, { ML_REPLICAS: "many" }).join(" ")).toMatch(/hosts\.ml\.replicas/);
    const long = resolveHome({ home: "/nowhere", namespace: "n".repeat(54) });
    expect(() => resolveConfig(long, {}, { DATABASE_URL: "postgres://host/db" })).toThrow(
      /Choose a namespace of up to 53/,
    );
  });
});

describe("docs/configuration.md", () => {
  it("names every variable and setting there is", () => {
    const read = (...path: string[]) => readFileSync(join(import.meta.dirname, ...path), "utf8");
    const documented = read("..", "..", "docs", "configuration.md");
    const code = ["config.ts", "config-schema.ts", "cli/main.ts"].map((file) => read(file)).join("");
    const variables = [...code.matchAll(/(?:read|variable)\("([A-Z_]+)"/g)].map((match) => match[1] ?? "");
    expect(variables.length).toBeGreaterThan(10);
    const names = [...variables, ...Object.keys(ConfigFile.shape), ...Object.keys(HostSpec.shape)];
    // A spec's name is its key; its version is the program's, and its package, entry and contracts are what was deployed.
    const known = names.filter((name) => !["name", "version", "package", "entry", "contracts"].includes(name));
    expect(known.filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
  });
});

describe("the nearest name", () => {
  it("is a slip away, or none", () => {
    expect(nearestName("replcas", ["replicas", "resources"])).toBe("replicas");
    expect(nearestName("prot", ["port", "hosts"])).toBe("port");
    expect(nearestName("anything", ["port", "hosts"])).toBeUndefined();
  });
});
