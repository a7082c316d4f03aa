/** What there is on the cluster: Serve's applications and the registry's leases, joined. */
import type { DesiredHost } from "../desired-state.ts";
import { type HostStatus, type ReplicaState, type ReplicaStatus, toRolloutStatus } from "../engine.ts";
import { HostSpec } from "../host-spec.ts";
import type { ApplicationConfig } from "../../ray/rest/serve-details.ts";
import { type ApplicationName, depositKey, fromApplicationName } from "./application-name.ts";
import { damageOf } from "./damaged-package.ts";
import type { Deployed } from "./plan.ts";
import type { Lease, RegistryStatus } from "./registry.ts";
import type { RestartCounter } from "./restart-counter.ts";
import type { ServedApplication, ServedReplica } from "./serve.ts";

export interface ObservedReplica {
  /** Of the lease, from the moment there is one. */
  readonly id: string;
  /** Serve's own, the same from the start. */
  readonly servedId: string;
  readonly pid: number | undefined;
  /** Address of the Ray node. */
  readonly node: string | undefined;
  readonly kind: ReplicaState["kind"];
  readonly state: ReplicaState;
}

export interface Observed extends Deployed {
  readonly version: string;
  readonly config: ApplicationConfig;
  /** As Serve says. */
  readonly status: string;
  readonly replicas: readonly ObservedReplica[];
  /** Serve is deleting it. */
  readonly isLeaving: boolean;
  /** Why it does not start, in one line. */
  readonly failure: string | undefined;
  /** When its present configuration was deployed. */
  readonly deployedAtMs: number;
}

export function observe(
  namespace: string,
  applications: readonly ServedApplication[],
  { leases, topology }: Pick<RegistryStatus, "leases" | "topology">,
): Observed[] {
  const listed = new Set(topology.replicas.map(({ id }) => id));
  return applications.flatMap((application) => {
    const name = fromApplicationName(namespace, application.name);
    if (name === undefined) return [];
    const isLeaving = application.status === "DELETING";
    const replicas = application.replicas.map((served) => {
      const lease = leases.find(({ serve }) => serve.app === application.name && serve.replica === served.id);
      const message = firstUsefulLine(application.message);
      const known = { listed, deployedAtMs: application.deployedAtMs, message, isLeaving };
      return toReplica(name.host, served, lease, known);
    });
    return [
      {
        ...name,
        name: application.name,
        config: application.config,
        status: application.status,
        targetReplicas: application.targetReplicas,
        readyReplicas: replicas.filter(({ kind }) => kind === "ready").length,
        replicas,
        isLeaving,
        failure: damageOf(application) ?? firstUsefulLine(application.message),
        deployedAtMs: application.deployedAtMs,
      },
    ];
  });
}

function toReplica(host: string, served: ServedReplica, lease: Lease | undefined, known: Known): ObservedReplica {
  const state = toState(served, lease, known);
  return {
    id: lease?.replica.id ?? `${host}@${served.id}`,
    servedId: served.id,
    pid: lease?.pid,
    node: lease?.node.ip,
    kind: state.kind,
    state,
  };
}

interface Known {
  /** Replicas in the topology. */
  readonly listed: ReadonlySet<string>;
  /** Since when a replica without a lease may have been there. */
  readonly deployedAtMs: number;
  /** What Serve says of the application. */
  readonly message: string | undefined;
  /** Serve is deleting the application; it tells its replicas a moment later. */
  readonly isLeaving: boolean;
}

function toState(
  served: ServedReplica,
  lease: Lease | undefined,
  { listed, deployedAtMs, message, isLeaving }: Known,
): ReplicaState {
  const sinceMs = lease?.state.sinceMs ?? deployedAtMs;
  if (isLeaving || served.state === "STOPPING" || lease?.state.kind === "draining")
    return { kind: "draining", sinceMs };
  const address = lease?.replica.address;
  if (lease !== undefined && listed.has(lease.replica.id) && typeof address === "string") {
    return { kind: "ready", sinceMs, address };
  }
  // Before its process runs only Serve can tell what is in the way, such as a node that is full.
  const reason = lease === undefined ? (message ?? "Serve has not started its process yet") : lease.state.reason;
  return { kind: "starting", sinceMs, ...(reason === undefined ? {} : { reason }) };
}

/**
 * The sentence in Serve's message that a person can act on: what the replica's constructor raised is at the end of a
 * Python traceback within a traceback.
 */
export function firstUsefulLine(message: string): string | undefined {
  const lines = message
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const raised = lines.findLast(
    (line) => /^(\w+\.)*\w*(Error|Exception)\b.*:\s*\S/.test(line) && !/Traceback/.test(line),
  );
  const useful = raised ?? lines[0];
  return useful?.replace(/^((\w+\.)*\w*(Error|Exception)(\([^)]*\))?:\s*)+/, "");
}

/** An application that cannot get a replica, because the cluster no longer has its code. */
export interface Codeless extends ApplicationName {
  readonly sinceMs: number;
  readonly reason: string;
}

export interface HostView {
  readonly wanted: readonly DesiredHost[];
  readonly observed: readonly Observed[];
  readonly codeless: readonly Codeless[];
  readonly restarts: RestartCounter;
}

/** One host's status; undefined when nothing of it is wanted or left. */
export function observedStatus(
  name: string,
  { wanted, observed, codeless, restarts }: HostView,
): HostStatus | undefined {
  const desired = wanted.find(({ spec }) => spec.name === name);
  const own = observed.filter(({ host }) => host === name);
  const spec = desired?.spec ?? HostSpec.safeParse(own[0]?.config.args?.["spec"]).data;
  if (spec === undefined) return undefined;
  const replicas = own.flatMap((application): ReplicaStatus[] => {
    const { version, generation, failure, deployedAtMs } = application;
    const present = application.replicas.map(({ id, servedId, pid, node, state }) => ({
      id,
      pid,
      node,
      version,
      generation,
      restarts: restarts.of(application.name, servedId),
      state,
    }));
    if (failure === undefined || present.length > 0) return present;
    // Serve waits before it tries again and shows no replica meanwhile.
    const state: ReplicaState = { kind: "backoff", sinceMs: deployedAtMs, reason: failure };
    return [{ id: application.name, pid: undefined, node: undefined, version, generation, restarts: 0, state }];
  });
  const missing = codeless
    .filter(({ host }) => host === name)
    .map(({ sinceMs, reason, ...one }): ReplicaStatus => {
      const state: ReplicaState = { kind: "backoff", sinceMs, reason };
      const { version, generation } = one;
      return { id: depositKey(one), pid: undefined, node: undefined, version, generation, restarts: 0, state };
    });
  const rollout = desired?.rollout && toRolloutStatus(desired.rollout);
  return { spec, generation: desired?.generation ?? 0, replicas: [...replicas, ...missing], rollout };
}
