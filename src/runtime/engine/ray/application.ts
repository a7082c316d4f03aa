/** The Serve application of one host at one generation. */
import type { ApplicationConfig } from "../../ray/rest/serve-details.ts";
import type { DesiredGeneration } from "../desired-state.ts";
import { depositKey, toApplicationName } from "./application-name.ts";

export interface ApplicationOptions {
  readonly namespace: string;
  readonly startTimeoutMs?: number;
}

/** Our only deployment in each application. */
export const DEPLOYMENT = "Replica";

/** Where Serve's proxies send requests for a host: `/ml`, in another namespace than the default `/<namespace>/ml`. */
export function routeOf(namespace: string, host: string, defaultNamespace: string): string {
  return namespace === defaultNamespace ? `/${host}` : `/${namespace}/${host}`;
}

export function toApplicationConfig(
  desired: DesiredGeneration,
  route: string | null,
  options: ApplicationOptions,
): ApplicationConfig {
  const { spec, generation } = desired;
  const { namespace, startTimeoutMs } = options;
  const { env: _env, replicas, ...rest } = spec;
  const name = { host: spec.name, version: spec.version, generation };
  return {
    name: toApplicationName(namespace, name),
    route_prefix: route,
    import_path: "seedcore_ray:build",
    runtime_env: {
      working_dir: spec.package,
      ...(spec.pip.length === 0 ? {} : { pip: spec.pip }),
    },
    args: {
      namespace,
      // The environment may hold secrets, which Serve's configuration would show to everybody: it travels as a deposit.
      spec: { ...rest, replicas: 1, env: {} },
      deposit: depositKey(name),
      entry: spec.entry,
      ...(startTimeoutMs === undefined ? {} : { startTimeoutS: startTimeoutMs / 1_000 }),
    },
    external_scaler_enabled: true,
    // Two on one node would share a fixed port, and nobody could tell which of them answers.
    deployments: [
      { name: DEPLOYMENT, num_replicas: replicas, ...(spec.port === 0 ? {} : { max_replicas_per_node: 1 }) },
    ],
  };
}
