import { isServiceError, ServiceError } from "#core/service-error.ts";

/** How long the first answer of a cluster may take. A head that was stopped holds its ports: waiting longer is waiting for nobody. */
export const REACH_MS = 3_000;

/** What was asked first of the cluster; when it is silent, the error says which and what to look at. */
export async function reached<T>(address: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    if (!isServiceError(cause) || cause.code !== "DEADLINE") throw cause;
    throw new ServiceError(
      "DEADLINE",
      `Ray at ${address} does not answer: ${cause.message} Look at its head: it may be stopped, overloaded, or behind a firewall.`,
      { started: "no", cause },
    );
  }
}
