/** What the engine needs of Ray Serve: to see the organism's applications, to change them in one step, and to scale one. */
import type { Clock } from "#core/clock.ts";
import { changeServeApplications, type ServeLock } from "../../ray/rest/serve-applications.ts";
import { pinPackage } from "../../ray/rest/packages.ts";
import { type ApplicationConfig, type ApplicationDetails, readServe } from "../../ray/rest/serve-details.ts";
import { scaleDeployment } from "../../ray/rest/serve-scaler.ts";
import type { RayRest } from "../../ray/rest/transport.ts";
import { DEPLOYMENT } from "./application.ts";
import { fromApplicationName } from "./application-name.ts";

export interface ServedReplica {
  /** Serve's own id of it. */
  readonly id: string;
  /** As Serve says: STARTING, UPDATING, RECOVERING, RUNNING, STOPPING, … */
  readonly state: string;
}

export interface ServedApplication {
  readonly name: string;
  /** As Serve says: DEPLOYING, RUNNING, DEPLOY_FAILED, DELETING, … */
  readonly status: string;
  /** What Serve says of its failure, empty when nothing. */
  readonly message: string;
  readonly config: ApplicationConfig;
  readonly deployedAtMs: number;
  readonly targetReplicas: number;
  readonly replicas: readonly ServedReplica[];
}

export interface ServeStep {
  /** Applications that stay, each with its route; every other one of this organism is deleted. */
  readonly keep: ReadonlyMap<string, string | null>;
  readonly add: readonly ApplicationConfig[];
}

export interface Serve {
  /** The applications of one organism, those that are being deleted included. */
  read(): Promise<readonly ServedApplication[]>;
  /** Changes what this organism has, in one step; everybody else's stay as they are. */
  change(step: ServeStep): Promise<void>;
  /** Sets how many replicas an application runs. */
  scale(application: string, replicas: number): Promise<void>;
  /** Keeps a package for ten minutes more, for Ray drops what nobody uses. Whether the cluster still has it. */
  keep(packageUri: string): Promise<boolean>;
}

export interface ServeDeps {
  readonly rest: RayRest;
  readonly namespace: string;
  readonly lock: ServeLock;
  readonly clock: Clock;
}

const GCS = "gcs://";

export function createServe({ rest, namespace, lock, clock }: ServeDeps): Serve {
  const isOurs = (name: string) => fromApplicationName(namespace, name) !== undefined;
  return {
    async read() {
      const { applications } = await readServe(rest);
      return Object.values(applications)
        .filter(({ name }) => isOurs(name))
        .map(toServed);
    },
    async change({ keep, add }) {
      await changeServeApplications({ rest, lock, clock, isOurs }, (present) => [
        ...present
          .filter(({ name }) => keep.has(name))
          .map((config) => ({ ...config, route_prefix: keep.get(config.name) ?? null })),
        ...add,
      ]);
    },
    scale: (application, replicas) => scaleDeployment(rest, application, DEPLOYMENT, replicas),
    // What lies elsewhere is not Ray's to drop.
    keep: async (uri) => !uri.startsWith(GCS) || pinPackage(rest, uri.slice(GCS.length)),
  };
}

function toServed(application: ApplicationDetails): ServedApplication {
  const { name, status, message, deployed_app_config: config } = application;
  const deployment = application.deployments[DEPLOYMENT];
  return {
    name,
    status,
    message: deployment?.message || message,
    config: config ?? { name, import_path: "" },
    deployedAtMs: application.last_deployed_time_s * 1_000,
    targetReplicas: deployment?.target_num_replicas ?? asked(config),
    replicas: (deployment?.replicas ?? []).map(({ replica_id: id, state }) => ({ id, state })),
  };
}

/** Until Serve has built the application it shows no deployment. */
function asked(config: ApplicationDetails["deployed_app_config"]): number {
  return Number(config?.deployments?.find(({ name }) => name === DEPLOYMENT)?.num_replicas ?? 0);
}
