import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import type { RayRest, RestCall } from "./transport.ts";

/** From `least`, up to but without `below`: everything was run on the newest, `npm run test:ray` on one of each before it. */
export const SUPPORTED_RAY = { least: "2.57", below: "2.61" } as const;

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

/** @throws ServiceError UNSUPPORTED for a version nobody has run SeedCore on, unless that is accepted */
export function checkVersion(
  version: string,
  options: {
    readonly acceptAny: boolean;
    /** How one accepts any version, for the message: `set X=1`. */
    readonly override: string;
  },
): void {
  if (options.acceptAny || (isAtLeast(version, SUPPORTED_RAY.least) && !isAtLeast(version, SUPPORTED_RAY.below)))
    return;
  throw new ServiceError(
    "UNSUPPORTED",
    `The cluster runs Ray ${version}; SeedCore was tested from ${SUPPORTED_RAY.least} up to, but without, ${SUPPORTED_RAY.below}. Use such a cluster, or ${options.override} to try this one.`,
  );
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
