import { z } from "zod";
import { isServiceError, ServiceError } from "#core/service-error.ts";
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
  const path = `/api/v1/applications/${segment(application)}/deployments/${segment(deployment)}/scale`;
  const body = { target_num_replicas: replicas };
  try {
    await rest.call({ method: "POST", path, body, schema: z.unknown(), signal });
  } catch (error) {
    // Ray 2.57 answers 400 where later ones answer 404.
    if (!isServiceError(error) || error.code !== "INVALID_INPUT" || !error.message.includes("not found")) throw error;
    throw new ServiceError("NOT_FOUND", error.message, { cause: error, started: "no" });
  }
}
