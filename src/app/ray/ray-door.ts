/** How an outside client gets into an organism on Ray: the gateways and the key are in the cluster's store, read without a session. */
import type { Clock } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { createRay } from "#runtime/ray/ray.ts";
import type { RaySettings } from "./ray-settings.ts";
import { REACH_MS, reached } from "./reach.ts";
import { mintOwnerToken, readSharedKey } from "./shared-key.ts";

export interface RayDoor {
  /** At least one. */
  readonly gatewayUrls: readonly string[];
  /** An owner's token, renewed in time. */
  readonly token: () => string;
}

const TOKEN_LIFE_MS = 24 * 3_600_000;

/** @throws ServiceError UNAVAILABLE when no organism of the namespace is up there, or Ray is not; DEADLINE when its head is silent; UNAUTHENTICATED. */
export async function findRayDoor(settings: RaySettings, namespace: string, clock: Clock): Promise<RayDoor> {
  await using ray = createRay({ endpoint: settings.endpoint, namespace, deadlineMs: REACH_MS }, { clock });
  const [gateways, keys] = await reached(
    settings.address,
    Promise.all([ray.store.get(`seedcore/${namespace}/gateways`), readSharedKey(ray.store, namespace)]),
  );
  const gatewayUrls = gateways === undefined ? [] : (JSON.parse(Buffer.from(gateways).toString()) as string[]);
  if (keys === undefined || gatewayUrls.length === 0) {
    throw new ServiceError(
      "UNAVAILABLE",
      `No organism "${namespace}" is up on the cluster ${settings.address}. Bring it up: RAY_ADDRESS=${settings.address} seedcore up`,
    );
  }
  let token = await mintOwnerToken(keys, namespace, TOKEN_LIFE_MS);
  let mintedAtMs = clock.monotonic();
  return {
    gatewayUrls,
    token() {
      if (clock.monotonic() - mintedAtMs > TOKEN_LIFE_MS / 2) {
        mintedAtMs = clock.monotonic();
        // The one that is given out meanwhile is good for as long again.
        void mintOwnerToken(keys, namespace, TOKEN_LIFE_MS).then((next) => (token = next));
      }
      return token;
    },
  };
}
