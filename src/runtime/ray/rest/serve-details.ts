/** What Serve says of itself; the fields we use, everything else is dropped or, where it goes back, kept. */
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import { listState, STATE } from "./state.ts";
import type { RayRest } from "./transport.ts";

/**
 * An application as it was asked for. Loose, because those of others go back to Serve as they came, fields we have never
 * heard of included.
 */
export const ApplicationConfig = z.looseObject({
  name: z.string().min(1),
  route_prefix: z.string().nullish(),
  import_path: z.string(),
  runtime_env: z.record(z.string(), z.unknown()).optional(),
  args: z.record(z.string(), z.unknown()).optional(),
  deployments: z.array(z.looseObject({ name: z.string(), num_replicas: z.unknown().optional() })).optional(),
  external_scaler_enabled: z.boolean().optional(),
});
export type ApplicationConfig = z.output<typeof ApplicationConfig>;

const Replica = z.object({
  replica_id: z.string(),
  state: z.string(),
  node_id: z.string().nullish(),
  node_ip: z.string().nullish(),
  actor_id: z.string().nullish(),
  pid: z.number().nullish(),
  /** Below the session's log folder on that node. */
  log_file_path: z.string().nullish(),
});

const Deployment = z.object({
  name: z.string(),
  status: z.string(),
  status_trigger: z.string().default(""),
  message: z.string().default(""),
  target_num_replicas: z.number().default(0),
  replicas: z.array(Replica).default([]),
  recent_dead_replicas: z.array(Replica).default([]),
});

const Application = z.object({
  name: z.string(),
  route_prefix: z.string().nullish(),
  /** NOT_STARTED, DEPLOYING, DEPLOY_FAILED, RUNNING, UNHEALTHY or DELETING in Ray 2.60. */
  status: z.string(),
  message: z.string().default(""),
  last_deployed_time_s: z.number().default(0),
  /** Absent when it was not deployed declaratively. */
  deployed_app_config: ApplicationConfig.nullish(),
  /** `declarative` (by REST), `imperative` (by `serve.run`). */
  source: z.string(),
  deployments: z.record(z.string(), Deployment).default({}),
  external_scaler_enabled: z.boolean().default(false),
});
export type ApplicationDetails = z.output<typeof Application>;

const Serve = z.object({
  /** Empty when Serve does not run. */
  controller_info: z.looseObject({ actor_id: z.string().nullish() }).default({}),
  proxy_location: z.string().nullish(),
  http_options: z.looseObject({}).nullish(),
  grpc_options: z.looseObject({}).nullish(),
  target_capacity: z.number().nullish(),
  proxies: z.record(z.string(), z.object({ node_ip: z.string().nullish(), status: z.string() })).default({}),
  applications: z.record(z.string(), Application).default({}),
});
export type ServeDetails = z.output<typeof Serve>;

/**
 * The first one after the head started takes seconds. An empty answer when Serve does not run.
 * @throws ServiceError UNAVAILABLE when Serve runs and the head could not ask it
 */
export async function readServe(rest: RayRest, signal?: AbortSignal): Promise<ServeDetails> {
  const path = "/api/serve/applications/";
  const serve = await rest.call({ method: "GET", path, schema: Serve, signal, timeoutMs: 30_000 });
  if (!serve.controller_info.actor_id) await refuseUnseen(rest, signal);
  return serve;
}

/** Whatever keeps the head from finding Serve's controller, a slow GCS too, Ray answers as if Serve did not run. */
async function refuseUnseen(rest: RayRest, signal: AbortSignal | undefined): Promise<void> {
  const filters = [
    { key: "name", is: "=", value: "SERVE_CONTROLLER_ACTOR" },
    { key: "ray_namespace", is: "=", value: "serve" },
    { key: "state", is: "!=", value: "DEAD" },
  ] as const;
  const { rows } = await listState(rest, STATE.actors, { filters, signal });
  if (rows.length === 0) return;
  throw new ServiceError(
    "UNAVAILABLE",
    "Ray's dashboard says that Serve does not run, though its controller does: it could not ask it. Try again; when it stays so, look at the head.",
  );
}
