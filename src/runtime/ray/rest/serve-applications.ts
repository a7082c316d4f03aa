/**
 * Changes our Serve applications and nobody else's.
 *
 * Serve's PUT takes the whole list: a declarative application that is not in it is deleted, and one that is in it goes
 * back to the replica count written there. There is no compare-and-set. Hence, under a lock of ours: read, change ours,
 * put all back with the replica counts of now, read again and compare. A writer without our lock who comes in between
 * (some tens of milliseconds) is seen by the comparison when it undid our change, and not when we undid its.
 * Applications made by `serve.run` are in no list and never touched.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Clock, sleep } from "#core/clock.ts";
import { isServiceError, ServiceError } from "#core/service-error.ts";
import { type ApplicationConfig, type ApplicationDetails, readServe, type ServeDetails } from "./serve-details.ts";
import { scaleDeployment } from "./serve-scaler.ts";
import type { RayRest } from "./transport.ts";

/** Runs `task` while no other organism of this cluster changes applications. */
export type ServeLock = <T>(task: () => Promise<T>) => Promise<T>;

export interface ServeApplicationsDeps {
  readonly rest: RayRest;
  readonly lock: ServeLock;
  readonly clock: Clock;
  readonly isOurs: (applicationName: string) => boolean;
  /** For a cluster whose Serve does not run yet; fixed from then on. */
  readonly serveOptions?: {
    readonly proxy_location?: string;
    readonly http_options?: Readonly<Record<string, unknown>>;
  };
}

/** Our applications that are wanted, given those that are there, their replica counts of now written into them. */
export type ServeChange = (present: readonly ApplicationConfig[], serve: ServeDetails) => readonly ApplicationConfig[];

const ATTEMPTS = 4;
const PAUSE_MS = 250;
const PUT_TIMEOUT_MS = 60_000;

/**
 * Makes `change` come true; resolves when Serve has accepted it, long before the applications run.
 * The change may be asked for several times and must depend on its arguments only.
 * @throws ServiceError CONFLICT when somebody else keeps changing applications, or has a name that is wanted;
 * INVALID_INPUT with Serve's own words for an application it refuses, and then nothing was changed
 */
export function changeServeApplications(
  deps: ServeApplicationsDeps,
  change: ServeChange,
  signal?: AbortSignal,
): Promise<ServeDetails> {
  return deps.lock(async () => {
    let why = "";
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(deps.clock, PAUSE_MS * 2 ** attempt, signal);
      const before = await readServe(deps.rest, signal);
      const present = declarative(before).map(withPresentTargets);
      const wanted = change(
        present.filter(({ name }) => deps.isOurs(name)),
        before,
      );
      checkNames(wanted, before, deps.isOurs);
      checkListed(wanted);
      const others = present.filter(({ name }) => !deps.isOurs(name));
      const all = [...others, ...wanted];
      if (isDeepStrictEqual(new Set(all), new Set(present))) return before;

      await put(deps, before, all, signal);
      await restoreTargets(deps.rest, before, others, signal);
      const after = await readServe(deps.rest, signal);
      const difference = differenceOf(all, after);
      if (difference === undefined) return after;
      why = difference;
    }
    throw new ServiceError(
      "CONFLICT",
      `Somebody else changes this cluster's Serve applications at the same time: after each of ${ATTEMPTS} tries ${why}. Let them finish (a second \`seedcore up\`, \`serve deploy\`, KubeRay?) and try again.`,
      { started: "yes" },
    );
  });
}

/** In Serve's list; those being deleted would come back to life if they were put. */
function declarative(serve: ServeDetails): readonly ApplicationDetails[] {
  return Object.values(serve.applications).filter(
    ({ source, status, deployed_app_config: config }) =>
      source === "declarative" && status !== "DELETING" && config !== null && config !== undefined,
  );
}

/**
 * The configuration to put back. Where an external scaler sets the replica counts they are not those of the
 * configuration, and a PUT would reset them: the counts of now are written in, for deployments that are listed. Listing
 * one that was not would merge the application's runtime environment into its actor options, which restarts every
 * replica (Ray 2.60, override_deployment_info).
 */
function withPresentTargets(application: ApplicationDetails): ApplicationConfig {
  const config = application.deployed_app_config as ApplicationConfig;
  if (!application.external_scaler_enabled || config.deployments === undefined) return config;
  const deployments = config.deployments.map((deployment) => {
    const target = application.deployments[deployment.name]?.target_num_replicas ?? 0;
    return target > 0 ? { ...deployment, num_replicas: target } : deployment;
  });
  return { ...config, deployments };
}

/** Scales what a configuration could not say: deployments that it does not list, and zero. */
async function restoreTargets(
  rest: RayRest,
  before: ServeDetails,
  applications: readonly ApplicationConfig[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { name, deployments: listed = [] } of applications) {
    const application = before.applications[name];
    if (application?.external_scaler_enabled !== true) continue;
    for (const { name: deployment, target_num_replicas: target } of Object.values(application.deployments)) {
      if (target > 0 && listed.some((one) => one.name === deployment)) continue;
      try {
        await scaleDeployment(rest, name, deployment, target, signal);
      } catch (error) {
        // It is being changed or deleted by its owner; the comparison looks at what became of it.
        if (!isServiceError(error) || (error.code !== "NOT_FOUND" && error.code !== "CONFLICT")) throw error;
      }
    }
  }
}

/** Ours must list their deployments from the first time on, for the reason that {@link withPresentTargets} gives. */
function checkListed(wanted: readonly ApplicationConfig[]): void {
  for (const { name, external_scaler_enabled: scaled, deployments } of wanted) {
    if (scaled !== true || (deployments ?? []).length > 0) continue;
    throw new ServiceError(
      "INVALID_INPUT",
      `The application "${name}" has an external scaler and lists no deployment: its next deployment would restart every replica. List each with its num_replicas.`,
    );
  }
}

function checkNames(
  wanted: readonly ApplicationConfig[],
  before: ServeDetails,
  isOurs: (name: string) => boolean,
): void {
  for (const { name } of wanted) {
    const present = before.applications[name];
    if (isOurs(name) && (present === undefined || present.source === "declarative")) continue;
    throw new ServiceError(
      "CONFLICT",
      `The application "${name}" is somebody else's${present?.source === "imperative" ? " (made by serve.run)" : ""}; it would be replaced. Choose another name or namespace.`,
      { started: "no" },
    );
  }
  for (const { name, route_prefix: route } of wanted) {
    if (route === null || route === undefined) continue;
    const holder = Object.values(before.applications).find(
      (other) => other.route_prefix === route && !isOurs(other.name) && other.status !== "DELETING",
    );
    if (holder === undefined) continue;
    throw new ServiceError(
      "CONFLICT",
      `The route ${route} of "${name}" belongs to the application "${holder.name}". Choose another route.`,
      { started: "no" },
    );
  }
}

async function put(
  { rest, serveOptions }: ServeApplicationsDeps,
  before: ServeDetails,
  applications: readonly ApplicationConfig[],
  signal: AbortSignal | undefined,
): Promise<void> {
  // What is not said goes to its default, or makes Serve warn that it differs from what runs.
  const running = {
    proxy_location: before.proxy_location ?? serveOptions?.proxy_location,
    http_options: before.http_options ?? serveOptions?.http_options,
    grpc_options: before.grpc_options ?? undefined,
    target_capacity: before.target_capacity ?? undefined,
  };
  try {
    await rest.call({
      method: "PUT",
      path: "/api/serve/applications/",
      body: { ...running, applications },
      schema: z.unknown(),
      signal,
      // The first one starts Serve's controller.
      timeoutMs: PUT_TIMEOUT_MS,
    });
  } catch (error) {
    if (isServiceError(error) && error.code === "INVALID_INPUT") {
      throw new ServiceError(error.code, error.message, { cause: error, started: "no" });
    }
    throw error;
  }
}

/** What of `put` Serve does not hold, in words; undefined when it holds exactly that. */
function differenceOf(put: readonly ApplicationConfig[], after: ServeDetails): string | undefined {
  const held = new Map(declarative(after).map((application) => [application.name, application]));
  for (const config of put) {
    const application = held.get(config.name);
    if (application === undefined) return `"${config.name}" was gone`;
    if (!holds(application.deployed_app_config, config)) return `"${config.name}" was configured otherwise`;
    held.delete(config.name);
  }
  const [extra] = held.keys();
  return extra === undefined ? undefined : `"${extra}" had come`;
}

/** Whether `actual` has everything that `put` says; Serve may add what it knows besides. */
function holds(actual: unknown, put: unknown): boolean {
  if (put === undefined) return true;
  if (Array.isArray(put)) {
    return (
      Array.isArray(actual) && actual.length === put.length && put.every((item, index) => holds(actual[index], item))
    );
  }
  if (typeof put !== "object" || put === null) return actual === put;
  if (typeof actual !== "object" || actual === null) return false;
  return Object.entries(put).every(([name, value]) => holds((actual as Record<string, unknown>)[name], value));
}
