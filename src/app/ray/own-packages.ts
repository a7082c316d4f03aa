/** Code of a person's own hosts on a cluster that may have forgotten it: Ray keeps a package as long as somebody uses it. */
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import { isOwnHost } from "#runtime/engine/host-spec.ts";
import { pinPackage, uploadPackage } from "#runtime/ray/rest/packages.ts";
import type { RayRest } from "#runtime/ray/rest/transport.ts";
import { readPackage } from "../deploy/package-store.ts";

const GCS = "gcs://";

/** Sends what this machine still has; a host whose code is nowhere is no longer desired. */
export async function bringOwnPackages(
  rest: RayRest,
  desired: DesiredState,
  packagesDir: string,
): Promise<{ readonly brought: readonly string[]; readonly lost: readonly string[] }> {
  const brought: string[] = [];
  const lost: string[] = [];
  for (const { spec } of await desired.list()) {
    if (!isOwnHost(spec)) continue;
    const files = readPackage(packagesDir, spec.package);
    if (files !== undefined) {
      const { uri } = await uploadPackage(rest, files);
      await desired.put({ ...spec, package: uri });
      brought.push(spec.name);
    } else if (spec.package.startsWith(GCS) && (await pinPackage(rest, spec.package.slice(GCS.length)))) {
      brought.push(spec.name);
    } else {
      await desired.remove(spec.name);
      lost.push(spec.name);
    }
  }
  return { brought, lost };
}
