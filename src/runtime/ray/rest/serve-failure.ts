import { stripVTControlCharacters } from "node:util";
import type { ApplicationDetails } from "./serve-details.ts";

export interface ServeFailure {
  /** The line that names the cause: of a Python traceback its last one. */
  readonly reason: string;
  /** Everything Serve says, tracebacks included. */
  readonly message: string;
  /** Where the replicas that failed wrote their logs, newest last. */
  readonly logs: readonly { readonly nodeId: string; readonly file: string }[];
}

/** Why an application does not run; undefined for one that runs or is on its way. */
export function failureOf({ status, message, deployments }: ApplicationDetails): ServeFailure | undefined {
  if (status !== "DEPLOY_FAILED" && status !== "UNHEALTHY") return undefined;
  const failed = Object.values(deployments).filter(
    (one) => one.status === "DEPLOY_FAILED" || one.status === "UNHEALTHY",
  );
  // Of the application itself it only says that its deployments failed, when they did.
  const messages = failed.map((one) => one.message).filter((text) => text !== "");
  const whole = stripVTControlCharacters(messages.length > 0 ? messages.join("\n") : message).trim();
  return {
    reason: whole.split("\n").at(-1)?.trim() || `The application is ${status} and Serve does not say why.`,
    message: whole,
    logs: failed
      .flatMap((one) => [...one.recent_dead_replicas, ...one.replicas])
      .flatMap(({ node_id: nodeId, log_file_path: file }) => (nodeId && file ? [{ nodeId, file }] : [])),
  };
}
