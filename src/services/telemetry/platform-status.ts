/** What the engine says of its hosts, in the words of the contract. */
import type { z } from "zod";
import type { ClusterInfo, HostInfo, ReplicaInfo, Rollout } from "#contracts/telemetry.ts";
import type { DesiredHost } from "#runtime/engine/desired-state.ts";
import { drainMsOf, type HostSpec } from "#runtime/engine/host-spec.ts";
import type { ClusterStatus, EngineStatus, HostStatus, ReplicaStatus } from "#runtime/engine/engine.ts";
import { percentOf, type Rollout as DesiredRollout } from "#runtime/engine/rollout.ts";

/** Resident memory of a replica's process in bytes; null where it cannot be told. */
export type ResidentBytes = (replica: ReplicaStatus) => number | null;

export function toHostInfos(
  status: EngineStatus,
  desired: readonly DesiredHost[],
  residentBytes: ResidentBytes,
): HostInfo[] {
  const rows = new Map(desired.map((one) => [one.spec.name, one]));
  return status.hosts.map((host) => toHostInfo(host, rows.get(host.spec.name) ?? {}, residentBytes));
}

export function toHostInfo(
  { spec, generation, replicas }: HostStatus,
  { previous, rollout }: { readonly previous?: HostSpec | undefined; readonly rollout?: DesiredRollout | undefined },
  residentBytes: ResidentBytes,
): HostInfo {
  // Values may be secrets: who may see a status may not see them.
  const env = Object.fromEntries(Object.keys(spec.env).map((name) => [name, "…"]));
  return {
    name: spec.name,
    generation,
    spec: { ...spec, drainMs: drainMsOf(spec), env },
    replicas: replicas.map((replica) => toReplicaInfo(replica, residentBytes)),
    previous: previous === undefined ? null : { version: previous.version, package: previous.package },
    rollout: rollout === undefined ? null : toRollout(spec.name, rollout),
  };
}

function toReplicaInfo(replica: ReplicaStatus, residentBytes: ResidentBytes): z.output<typeof ReplicaInfo> {
  const { state } = replica;
  const isAlive = replica.pid !== undefined && state.kind !== "stopped" && state.kind !== "backoff";
  return {
    id: replica.id,
    pid: replica.pid ?? null,
    node: replica.node ?? null,
    version: replica.version,
    restarts: replica.restarts,
    state: state.kind,
    sinceMs: state.sinceMs,
    address: state.kind === "ready" ? state.address : null,
    reason: state.kind === "backoff" || state.kind === "starting" ? (state.reason ?? null) : null,
    residentBytes: isAlive ? residentBytes(replica) : null,
  };
}

export function toClusterInfo(cluster: ClusterStatus | undefined): ClusterInfo | null {
  if (cluster === undefined) return null;
  return {
    nodes: [...cluster.nodes],
    actors: cluster.actors.map((actor) => ({ ...actor, pid: actor.pid ?? null })),
    applications: [...cluster.applications],
    warnings: [...(cluster.warnings ?? [])],
  };
}

export function toRollout(host: string, rollout: DesiredRollout): Rollout {
  const { from, next, state, steps, everyMs, startedAtMs } = rollout;
  return {
    host,
    from,
    to: next.version,
    state: state.kind,
    percent: percentOf(rollout),
    steps,
    everyMs,
    startedAtMs,
    endedAtMs: "endedAtMs" in state ? state.endedAtMs : null,
    reason: state.kind === "returned" ? state.reason : null,
    old: state.old,
    next: "next" in state ? state.next : { calls: 0, errors: 0 },
  };
}
