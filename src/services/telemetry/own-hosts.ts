/** Hosts of a person's own: what may be deployed, and whether what was deployed came up. */
import { type Clock, sleep } from "#core/clock.ts";
import { ServiceError } from "#core/service-error.ts";
import { isSameButReplicas } from "#runtime/engine/desired-row.ts";
import type { DesiredHost } from "#runtime/engine/desired-state.ts";
import type { EngineStatus, HostStatus } from "#runtime/engine/engine.ts";
import { HostSpec, isOwnHost } from "#runtime/engine/host-spec.ts";

/** Addresses of the gateway's own, and names that say what a host is. */
const RESERVED = ["gateway", "engine", "docs", "metrics"];
const PACKAGE = { embedded: /^\/.*\/[0-9a-f]{40}$/, ray: /^gcs:\/\/_ray_pkg_[0-9a-f]{40}\.zip$/ };
const LOOK_MS = 100;

/**
 * The spec of an own host, checked against what runs.
 * @throws ServiceError INVALID_INPUT, CONFLICT for names that others have
 */
export function toOwnSpec(host: string, given: object, status: EngineStatus): HostSpec {
  const present = status.hosts.find(({ spec }) => spec.name === host)?.spec;
  const parsed = HostSpec.safeParse({ replicas: present?.replicas ?? 1, ...given, name: host });
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
    throw invalid(`The host spec of "${host}" cannot be used. ${problems.join("; ")}.`);
  }
  const spec = parsed.data;
  if (present !== undefined && !isOwnHost(present)) {
    throw new ServiceError("CONFLICT", `"${host}" is one of the organism's own hosts. Give yours another name.`);
  }
  refuseContracts(spec, status);
  if (spec.port !== 0) throw invalid(`"${host}" is behind the gateway, so it has no port of its own.`);
  if (!PACKAGE[status.kind].test(spec.package)) {
    throw invalid(`"${spec.package}" is no package of this organism. \`seedcore deploy FOLDER\` makes one.`);
  }
  const loader = Object.keys(spec.env).find((name) => /^(NODE_OPTIONS|LD_|DYLD_)/.test(name));
  if (loader !== undefined) throw invalid(`The environment of "${host}" may not set ${loader}.`);
  return spec;
}

function refuseContracts({ name, services, contracts }: HostSpec, { hosts }: EngineStatus): void {
  const names = contracts.map((contract) => contract.name);
  if (names.length === 0 || names.join() !== services.join()) {
    throw invalid(
      `"${name}" serves ${services.join(", ")} and describes the contracts ${names.join(", ") || "of none"}.`,
    );
  }
  const taken = hosts.filter(({ spec }) => spec.name !== name).flatMap(({ spec }) => spec.services);
  const clash = names.find((service) => RESERVED.includes(service) || taken.includes(service));
  if (clash !== undefined) {
    throw new ServiceError("CONFLICT", `There is a service "${clash}" already. Give the contract another name.`);
  }
  const owning = contracts.find(({ state }) => state !== "none");
  if (owning !== undefined) throw invalid(`"${owning.name}" has ${owning.state} state: declare state: "none".`);
}

/** The host that is ready, with the replicas of that generation: those before it may not have left yet. */
export type Outcome = { readonly ready: HostStatus } | { readonly failed: string };

/** Waits until every replica of the generation is ready, one of them cannot start, or the time is over. */
export async function outcomeOf(
  host: string,
  generation: number,
  { clock, engineStatus }: { readonly clock: Clock; engineStatus(): EngineStatus },
  { withinMs, signal }: { readonly withinMs: number; readonly signal: AbortSignal },
): Promise<Outcome> {
  const endsAtMs = clock.monotonic() + withinMs;
  while (true) {
    const status = engineStatus().hosts.find(({ spec }) => spec.name === host);
    const seen = status === undefined ? undefined : judge(status, generation);
    if (seen !== undefined) return seen;
    if (clock.monotonic() >= endsAtMs) {
      const account = accountOf(status, generation);
      return { failed: `it was not ready after ${Math.round(withinMs / 1_000)} s: ${account}` };
    }
    await sleep(clock, LOOK_MS, signal);
  }
}

/** What is left after a deploy that did not start, whoever made it so. */
export function aftermathOf(
  former: DesiredHost | undefined,
  present: DesiredHost | undefined,
  { hosts }: EngineStatus,
): { readonly restored: boolean; readonly account: string } {
  if (present === undefined) return { restored: false, account: "It was removed again" };
  const { spec } = present;
  const replicas = hosts.find((host) => host.spec.name === spec.name)?.replicas ?? [];
  // After several that failed, those of an older generation may be the ones that serve on.
  const serves = ({ version, generation, state }: HostStatus["replicas"][number]) =>
    state.kind === "ready" && version === spec.version && generation <= (former?.generation ?? 0);
  const restored = former !== undefined && isSameButReplicas(former.spec, spec) && replicas.some(serves);
  return { restored, account: restored ? "The version before it serves on" : `Version ${spec.version} is to run now` };
}

function judge(status: HostStatus, generation: number): Outcome | undefined {
  if (status.generation > generation) return { failed: "somebody changed the host meanwhile" };
  if (status.generation < generation) return undefined;
  const own = status.replicas.filter((replica) => replica.generation === generation);
  for (const { state } of own) if (state.kind === "backoff") return { failed: state.reason };
  const ready = own.filter(({ state }) => state.kind === "ready").length;
  return ready >= status.spec.replicas ? { ready: { ...status, replicas: own } } : undefined;
}

/** What the replicas that are not ready wait for. */
function accountOf(status: HostStatus | undefined, generation: number): string {
  const own = (status?.replicas ?? []).filter((replica) => replica.generation === generation);
  if (own.length === 0) return "the engine has not started it yet";
  const waiting = own.find(({ state }) => state.kind === "starting")?.state;
  return waiting?.kind === "starting" && waiting.reason !== undefined
    ? waiting.reason
    : "its program has not told what it waits for";
}

function invalid(message: string): ServiceError {
  return new ServiceError("INVALID_INPUT", message, { started: "no" });
}
