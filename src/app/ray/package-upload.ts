/** Sends a build to a cluster, where hosts find their code. */
import { systemClock } from "#core/clock.ts";
import { uploadPackage } from "#runtime/ray/rest/packages.ts";
import { openCluster } from "./cluster.ts";
import { readPackageFiles } from "./package-files.ts";
import { resolveRaySettings } from "./ray-settings.ts";

/** @returns the package's URI; the cluster keeps it for ten minutes, and for as long as a host runs from it */
export async function sendPackage(address: string, folder: string, namespace: string): Promise<string> {
  await using cluster = await openCluster(resolveRaySettings(address), {
    namespace,
    clock: systemClock,
  });
  const { uri } = await uploadPackage(cluster.rest, await readPackageFiles(folder));
  return uri;
}
