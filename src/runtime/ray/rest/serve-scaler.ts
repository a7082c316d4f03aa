import { z } from "zod";
import { segment, type RayRest } from "./transport.ts";

/**
 * Tells Serve how many replicas a deployment shall have; resolves when it was told, seconds before they run.
 * Works for applications with `external_scaler_enabled` only, which excludes Serve's own autoscaling (alpha in Ray 2.60).
 * @throws ServiceError CONFLICT when the application does not allow it or is being deleted, NOT_FOUND
 */
export async function scaleDeployment(
  rest: RayRest,
  application: string,
  deployment: string,
  replicas: number,
  signal?: AbortSignal,
): Promise<void> {
  await rest.call({
    method: "POST",
    path: `/api/v1/applications/${segment(application)}/deployments/${segment(deployment)}/scale`,
    body: { target_num_replicas: replicas },
    schema: z.unknown(),
    signal,
  });
}
