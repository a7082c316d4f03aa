/** Where a Ray cluster is and how to get in, as the options and Ray's own variables say. */
import { readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceError } from "#core/service-error.ts";
import type { RayEndpoint, RayTls } from "#runtime/ray/client/wire.ts";
import { type Environment, variable } from "../config.ts";

export interface RaySettings {
  /** `ray://host:10001` */
  readonly address: string;
  readonly endpoint: RayEndpoint;
  /** Of the dashboard; undefined: ask the cluster. */
  readonly apiUrl: string | undefined;
  /** Whether a Ray that SeedCore was not run on is refused. */
  readonly checksVersion: boolean;
}

const CLIENT_PORT = 10_001;

/** @throws ServiceError INVALID_INPUT for what is no address of Ray, UNAVAILABLE for `auto` without a Ray on this machine. */
export function resolveRaySettings(address: string, environment?: Environment): RaySettings {
  const known = address === "auto" ? localRay(environment) : address;
  if (known === undefined) {
    throw new ServiceError(
      "UNAVAILABLE",
      "RAY_ADDRESS=auto, but no Ray runs on this machine. Start one with `ray start --head`, or name a cluster: RAY_ADDRESS=ray://host:10001.",
    );
  }
  const [, host, port] = /^ray:\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/.exec(known) ?? [];
  if (host === undefined || Number(port ?? 0) > 65_535) {
    throw new ServiceError(
      "INVALID_INPUT",
      `"${known}" is no address of a Ray cluster. Write ray://host:10001, or auto for the Ray on this machine.`,
    );
  }
  const endpoint: RayEndpoint = {
    host: host.replace(/^\[|\]$/g, ""),
    port: port === undefined ? CLIENT_PORT : Number(port),
    token: tokenOf(environment),
    tls: tlsOf(environment),
  };
  return {
    address: `ray://${host}:${endpoint.port}`,
    endpoint,
    apiUrl: variable("RAY_API_SERVER_ADDRESS", environment)?.replace(/\/+$/, ""),
    checksVersion: variable("SEEDCORE_RAY_ANY_VERSION", environment) !== "1",
  };
}

/** The address of the Ray that was last started on this machine, as Ray itself notes it; undefined when there is none. */
export function localRay(environment?: Environment): string | undefined {
  const folder = variable("RAY_TMPDIR", environment) ?? tmpdir();
  try {
    const gcs = readFileSync(join(folder, "ray", "ray_current_cluster"), "utf8").trim();
    const host = gcs.slice(0, gcs.lastIndexOf(":"));
    return host === "" ? undefined : `ray://${host}:${CLIENT_PORT}`;
  } catch {
    return undefined;
  }
}

function tokenOf(environment: Environment | undefined): string | undefined {
  if (variable("RAY_AUTH_MODE", environment)?.toLowerCase() === "disabled") return undefined;
  const given = variable("RAY_AUTH_TOKEN", environment);
  if (given !== undefined) return given;
  const path = variable("RAY_AUTH_TOKEN_PATH", environment);
  let token = "";
  try {
    token = readFileSync(path ?? join(homedir(), ".ray", "auth_token"), "utf8").trim();
  } catch (cause) {
    if (path === undefined) return undefined;
    throw new ServiceError("INVALID_INPUT", `RAY_AUTH_TOKEN_PATH names ${path}, which cannot be read.`, { cause });
  }
  if (token !== "" || path === undefined) return token || undefined;
  throw new ServiceError("INVALID_INPUT", `RAY_AUTH_TOKEN_PATH names ${path}, which is empty.`);
}

function tlsOf(environment: Environment | undefined): RayTls | undefined {
  const useTls = variable("RAY_USE_TLS", environment);
  // As Ray reads it.
  if (useTls?.toLowerCase() !== "true" && useTls !== "1") return undefined;
  const file = (name: string) => {
    const path = variable(name, environment);
    if (path === undefined) {
      throw new ServiceError("INVALID_INPUT", `RAY_USE_TLS is ${useTls}, so ${name} must name a file in PEM.`);
    }
    return path;
  };
  return {
    certFile: file("RAY_TLS_SERVER_CERT"),
    keyFile: file("RAY_TLS_SERVER_KEY"),
    caFile: file("RAY_TLS_CA_CERT"),
  };
}
