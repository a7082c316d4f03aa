/** How the configuration becomes what the engine follows. */
import { canonicalJson } from "#core/canonical-json.ts";
import type { Refusal } from "#contracts/policy.ts";
import type { DesiredState } from "#runtime/engine/desired-state.ts";
import { type HostSpec, isOwnHost } from "#runtime/engine/host-spec.ts";
import type { Config } from "./config.ts";
import { SEEDCORE_VERSION } from "./version.ts";

/**
 * Makes the configured hosts desired. A replica count that was set by `scale` stands unless the configuration names one;
 * a person's own hosts stand until they are removed.
 * @param previous the configuration until now: what a rollout brought stands where the new one names the same code. Without
 *   it, at a start, every host gets the configured code
 */
export async function declareHosts(config: Config, desired: DesiredState, previous?: Config): Promise<void> {
  const present = new Map((await desired.list()).map(({ spec }) => [spec.name, spec]));
  for (const spec of config.hosts) {
    const there = present.get(spec.name);
    const before = previous?.hosts.find(({ name }) => name === spec.name);
    const scaled = config.pinnedReplicas.has(spec.name) ? undefined : there?.replicas;
    const keepsCode = before !== undefined && canonicalJson(codeOf(before)) === canonicalJson(codeOf(spec));
    const code = keepsCode && there !== undefined ? codeOf(there) : {};
    await desired.put({ ...spec, ...code, replicas: scaled ?? spec.replicas });
  }
  for (const [name, spec] of present) {
    if (!isOwnHost(spec) && !config.hosts.some((one) => one.name === name)) await desired.remove(name);
  }
}

function codeOf({ version, package: folder, entry }: HostSpec) {
  return { version, package: folder, entry };
}

/**
 * Live configuration as hosts get it; the gateway's is part of the settings.
 * @param refused a newer one that was read and cannot be used: the coordinator tells whoever asks for the policy
 */
export function toServiceConfig(config: Config, startedAtMs: number, refused?: Refusal): Record<string, unknown> {
  const { coordinator, gateway, telemetry } = config.services;
  return {
    ...config.services,
    ...(refused === undefined ? {} : { coordinator: { ...coordinator, refused } }),
    gateway: { ...gateway, allowedHosts: config.allowedHosts },
    telemetry: { version: SEEDCORE_VERSION, startedAtMs, ...telemetry },
  };
}
