import { ServiceError } from "#core/service-error.ts";

/** From `least`, up to but without `below`: everything was run on the newest, `npm run test:ray` on one of each before it. */
const SUPPORTED_RAY = { least: "2.57", below: "2.61" } as const;

/** @throws ServiceError UNSUPPORTED for a version nobody has run SeedCore on */
export function checkVersion(version: string): void {
  if (isAtLeast(version, SUPPORTED_RAY.least) && !isAtLeast(version, SUPPORTED_RAY.below)) return;
  throw new ServiceError(
    "UNSUPPORTED",
    `The cluster runs Ray ${version}; SeedCore was tested from ${SUPPORTED_RAY.least} up to, but without, ${SUPPORTED_RAY.below}. Use such a cluster, or SEEDCORE_RAY_ANY_VERSION=1 to try this one.`,
    { started: "no" },
  );
}

function isAtLeast(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = least.split(".").map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
