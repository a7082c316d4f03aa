import { ServiceError } from "#core/service-error.ts";

/** From `least`, up to but without `below`: everything was run on the newest, `npm run test:ray` on one of each before it. */
const SUPPORTED_RAY = { least: "2.57", below: "2.61" } as const;

export const USE_ANOTHER = "Use such a cluster, or SEEDCORE_RAY_ANY_VERSION=1 to try this one.";

/** Why SeedCore is not known to run on a version of Ray; undefined for one that it was run on. */
export function whyUntested(version: string): string | undefined {
  const { least, below } = SUPPORTED_RAY;
  if (isAtLeast(version, least) && !isAtLeast(version, below)) return undefined;
  return `The cluster runs Ray ${version}; SeedCore was tested from ${least} up to, but without, ${below}.`;
}

/** @throws ServiceError UNSUPPORTED for a version nobody has run SeedCore on */
export function checkVersion(version: string): void {
  const why = whyUntested(version);
  if (why === undefined) return;
  throw new ServiceError("UNSUPPORTED", `${why} ${USE_ANOTHER}`, { started: "no" });
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
