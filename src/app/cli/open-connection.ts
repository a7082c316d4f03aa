import { isServiceError } from "#core/service-error.ts";
import { type Connection, connect } from "../connect.ts";
import { CliError } from "./cli-error.ts";
import { EXIT } from "./exit-code.ts";

/** Connects to the organism. @throws CliError with exit code 3 when none runs */
export async function openCliConnection(): Promise<Connection> {
  try {
    return await connect();
  } catch (error) {
    if (!isServiceError(error) || error.code !== "UNAVAILABLE") throw error;
    throw new CliError(error.message, { code: "NOT_RUNNING", exitCode: EXIT.running, cause: error });
  }
}
