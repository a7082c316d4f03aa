import { z } from "zod";
import type { RayRest, RestCall } from "./transport.ts";

const Version = z
  .object({ ray_version: z.string(), ray_commit: z.string().default(""), session_name: z.string().default("") })
  .transform((answer) => ({
    version: answer.ray_version,
    commit: answer.ray_commit,
    /** Another one after the head was started anew. */
    sessionName: answer.session_name,
  }));
export type RayVersion = z.output<typeof Version>;

/** Which Ray this is. */
export function readVersion(
  rest: RayRest,
  options: Pick<RestCall<RayVersion>, "signal" | "timeoutMs"> = {},
): Promise<RayVersion> {
  return rest.call({ method: "GET", path: "/api/version", schema: Version, ...options });
}

/** Whether calls need a token. Needs none itself, so it also tells that the address is right. */
export async function readAuthenticationMode(rest: RayRest, signal?: AbortSignal): Promise<"token" | "disabled"> {
  const schema = z.object({ authentication_mode: z.string() });
  const answer = await rest.call({ method: "GET", path: "/api/authentication_mode", schema, signal });
  return answer.authentication_mode === "disabled" ? "disabled" : "token";
}
