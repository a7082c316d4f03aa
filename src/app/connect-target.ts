/** Which organism a connection is to: options first, then the environment, as docs/configuration.md says. */
import { ServiceError } from "#core/service-error.ts";
import { type ConnectSettings, type Environment, loadConnectSettings, loadHome } from "./config.ts";
import type { PyDict } from "#runtime/ray/pickle/values.ts";
import type { Home } from "./home.ts";
import { localRay, type RaySettings, resolveRaySettings } from "./ray/ray-settings.ts";
import { readLiveRunFile } from "./run-file.ts";

export interface ConnectOptions {
  /** Of a Ray cluster, `ray://host:10001`; `auto` for the one on this machine. @default RAY_ADDRESS */
  readonly address?: string;
  /** @default RAY_NAMESPACE, else SEEDCORE_NS, else "seedcore-dev" */
  readonly namespace?: string;
  /** Folder of the organisms on this machine. @default SEEDCORE_HOME, else ~/.seedcore */
  readonly home?: string;
  /** Base URL of a gateway to send every call through. @default SERVE_GATEWAY */
  readonly gateway?: string;
  /** @default SEEDCORE_TOKEN, else the token file of the namespace; on Ray one from the cluster's own store */
  readonly token?: string;
  /**
   * Ray's runtime environment of the session behind `connection.ray`, with remote URIs only: `{ working_dir: "https://…zip",
   * pip: […], env_vars: {…} }`. Its modules can be imported by tasks and actors.
   */
  readonly runtimeEnv?: PyDict;
}

/** Where an organism is looked for. */
export type ConnectPlace =
  /** On this machine, by its run file. */
  | { readonly kind: "local" }
  /** Every call goes through this gateway. */
  | { readonly kind: "gateway"; readonly url: string }
  | { readonly kind: "ray"; readonly settings: RaySettings };

export interface ConnectTarget {
  /** Names the target for people; equal names mean the same target. */
  readonly name: string;
  readonly home: Home;
  readonly place: ConnectPlace;
  /** Undefined: the place's own. */
  readonly token: string | undefined;
  readonly runtimeEnv: PyDict | undefined;
}

/** @throws ServiceError INVALID_INPUT for an address or a URL that is none, UNAVAILABLE for `auto` without a Ray here. */
export function resolveTarget(options: ConnectOptions, environment?: Environment): ConnectTarget {
  const settings: ConnectSettings = loadConnectSettings(environment);
  const home = loadHome({ home: options.home, namespace: options.namespace }, environment);
  const { token = settings.token, runtimeEnv } = options;
  const gateway = options.gateway ?? settings.gatewayUrl;
  if (gateway !== undefined) {
    const url = toOrigin(gateway);
    return { name: `the gateway ${url}`, home, place: { kind: "gateway", url }, token, runtimeEnv };
  }
  const address = options.address ?? settings.rayAddress ?? unaskedRay(home, environment);
  if (address !== undefined) {
    const ray = resolveRaySettings(address, environment);
    const name = `the organism "${home.namespace}" on ${ray.address}`;
    return { name, home, place: { kind: "ray", settings: ray }, token, runtimeEnv };
  }
  const name = `the organism "${home.namespace}" in ${home.directory}`;
  return { name, home, place: { kind: "local" }, token, runtimeEnv };
}

/** Without an organism on this machine, the Ray on it, if there is one. */
function unaskedRay(home: Home, environment: Environment | undefined): string | undefined {
  return readLiveRunFile(home.runFile) === undefined ? localRay(environment) : undefined;
}

function toOrigin(gateway: string): string {
  if (URL.canParse(gateway) && /^https?:$/.test(new URL(gateway).protocol)) return new URL(gateway).origin;
  throw new ServiceError("INVALID_INPUT", `"${gateway}" is no gateway's URL. Write one such as http://127.0.0.1:7700.`);
}
