/** A Ray cluster as this program deals with it: the client protocol, the dashboard's REST, and what is there. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import type { ClusterStore } from "#runtime/ray/client/cluster-store.ts";
import type { RayNode } from "#runtime/ray/client/cluster-view.ts";
import { createRay, type Ray } from "#runtime/ray/ray.ts";
import { createRayRest, type RayRest } from "#runtime/ray/rest/transport.ts";
import { readAuthenticationMode, readVersion } from "#runtime/ray/rest/version.ts";
import { checkVersion } from "#runtime/ray/supported-versions.ts";
import type { RaySettings } from "./ray-settings.ts";
import { REACH_MS, reached } from "./reach.ts";

export interface ClusterOptions {
  readonly namespace: string;
  readonly clock: Clock;
}

export interface Cluster extends AsyncDisposable {
  readonly settings: RaySettings;
  readonly store: ClusterStore;
  /** A session: a process of 100 MB on the head, of which there is one at a time. */
  readonly ray: Ray;
  readonly rest: RayRest;
  readonly version: string;
  /** Whether whoever reaches the cluster owns it. */
  readonly isOpen: boolean;
  /** Those that are alive. */
  readonly nodes: readonly RayNode[];
  /** A session that can import code of ours on the head; ends the one there is. */
  withPackage(uri: string): Promise<Ray>;
  close(): Promise<void>;
}

/**
 * A head that is silent is told after three seconds, of its client server or of its dashboard.
 * @throws ServiceError DEADLINE, UNAVAILABLE, UNAUTHENTICATED, FORBIDDEN or UNSUPPORTED, saying what to do.
 */
export async function openCluster(settings: RaySettings, options: ClusterOptions): Promise<Cluster> {
  const { endpoint, checksVersion } = settings;
  const { namespace, clock } = options;
  const open: { close(): Promise<void> }[] = [];
  const close = async () => {
    await Promise.all(open.map((one) => one.close()));
  };
  const make = (workingDir?: string): Ray => {
    const runtimeEnv = workingDir === undefined ? undefined : { working_dir: workingDir };
    const ray = createRay({ endpoint, namespace, checksVersion, ...(runtimeEnv && { runtimeEnv }) }, { clock });
    open.push(ray);
    return ray;
  };
  try {
    // Beside the session, which may end before it.
    const { store } = make();
    await reached(settings.address, store.ping({ deadlineMs: REACH_MS }));
    const ray = make();
    const rest = createRayRest({
      url: settings.apiUrl ?? (await askApiUrl(ray)),
      token: () => endpoint.token,
      clock,
    });
    open.push(rest);
    const { version } = await reached(settings.address, readVersion(rest, { timeoutMs: REACH_MS }));
    if (checksVersion) checkVersion(version);
    const [mode, nodes] = await Promise.all([readAuthenticationMode(rest), ray.nodes()]);
    return {
      settings,
      store,
      ray,
      rest,
      version,
      isOpen: mode === "disabled",
      nodes: nodes.filter(({ alive }) => alive),
      async withPackage(uri) {
        await ray.close();
        return make(uri);
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function askApiUrl(ray: Ray): Promise<string> {
  const url = await ray.dashboardUrl();
  if (url === undefined) {
    throw new ServiceError(
      "UNAVAILABLE",
      "The cluster runs without a dashboard, whose REST interface SeedCore deploys through. Start the head with --include-dashboard=true, or set RAY_API_SERVER_ADDRESS.",
    );
  }
  return `http://${url}`;
}
