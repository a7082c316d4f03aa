/**
 * What places, starts, watches, scales and stops hosts. Desired state is rows in the database, changed by
 * compare-and-set; an engine reconciles towards it. `engine.conformance.ts` is what every engine must pass.
 */
import type { RolloutPlan } from "./desired-state.ts";
import type { TopologySource } from "../topology.ts";
import type { HostSpec, HostSpecInput } from "./host-spec.ts";
import { percentOf, type Rollout, type RolloutState } from "./rollout.ts";

export type ReplicaState =
  /** `reason` is what it waits for and what it has said, as far as that is known. */
  | { readonly kind: "starting"; readonly sinceMs: number; readonly reason?: string }
  | { readonly kind: "ready"; readonly sinceMs: number; readonly address: string }
  | { readonly kind: "draining"; readonly sinceMs: number }
  /** `retryAtMs` where the engine itself decides when it is tried again. */
  | { readonly kind: "backoff"; readonly sinceMs: number; readonly retryAtMs?: number; readonly reason: string }
  | { readonly kind: "stopped"; readonly sinceMs: number };

export interface ReplicaStatus {
  readonly id: string;
  readonly pid: number | undefined;
  /** The machine it runs on, where an engine has several. */
  readonly node?: string | undefined;
  readonly version: string;
  /** Of the host's desired state that it runs. */
  readonly generation: number;
  /** Times this slot was started again after a failure. */
  readonly restarts: number;
  readonly state: ReplicaState;
}

export interface HostStatus {
  readonly spec: HostSpec;
  /** Grows with every change of the desired state; a replica of an older generation is being replaced. */
  readonly generation: number;
  readonly replicas: readonly ReplicaStatus[];
  /** The last one, when there was one. */
  readonly rollout?: RolloutStatus | undefined;
}

/** How far a rollout is; its figures are in the desired state. */
export interface RolloutStatus {
  readonly version: string;
  readonly state: RolloutState["kind"];
  /** Of the traffic. */
  readonly percent: number;
  /** Why it was taken back. */
  readonly reason?: string;
}

export function toRolloutStatus(rollout: Rollout): RolloutStatus {
  const { state, next } = rollout;
  const reason = state.kind === "returned" ? { reason: state.reason } : {};
  return { version: next.version, state: state.kind, percent: percentOf(rollout), ...reason };
}

export interface EngineStatus {
  readonly kind: "embedded" | "ray";
  readonly hosts: readonly HostStatus[];
  /** Where an engine has several machines; undefined until it has been looked at. */
  readonly cluster?: ClusterStatus | undefined;
}

/** What the organism is on, and what keeps it there. */
export interface ClusterStatus {
  /** Those that are alive. */
  readonly nodes: readonly ClusterNode[];
  /** Those with a name in the organism's namespace. */
  readonly actors: readonly ClusterActor[];
  /** The organism's. */
  readonly applications: readonly ClusterApplication[];
  /** Why something may be missing above, in the cluster's words. An engine older than this says nothing. */
  readonly warnings?: readonly string[];
}

export interface ClusterNode {
  readonly address: string;
  readonly isHead: boolean;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface ClusterActor {
  readonly name: string;
  /** As the cluster says, such as ALIVE or RESTARTING. */
  readonly state: string;
  readonly restarts: number;
  readonly pid: number | undefined;
}

export interface ClusterApplication {
  readonly name: string;
  /** As the cluster says, such as RUNNING or DEPLOYING. */
  readonly state: string;
  /** Where the cluster's own proxies have it; null for one that they do not. */
  readonly route: string | null;
}

export interface Engine {
  readonly topology: TopologySource;
  /** Makes the spec desired. A changed spec replaces its replicas one by one without a failed request. Idempotent. */
  deploy(spec: HostSpecInput): Promise<void>;
  /** Stops and forgets a host. */
  remove(host: string): Promise<void>;
  /** @throws ServiceError NOT_FOUND for an unknown host, INVALID_INPUT for an impossible count. */
  scale(host: string, replicas: number): Promise<void>;
  /** Replaces every replica, one by one, new before old. */
  restart(host: string): Promise<void>;
  /**
   * Puts the spec beside the host's present one and gives it the traffic step by step; takes it back when it errs more or
   * does not start. The engine takes the steps.
   * @throws ServiceError as `DesiredState.startRollout` does
   */
  rollOut(next: HostSpecInput, plan: Pick<RolloutPlan, "steps" | "everyMs">): Promise<void>;
  /** Gives up the rollout that goes on, if one does. */
  abortRollout(host: string): Promise<void>;
  /** Resolves when observed equals desired: every wanted replica ready, nothing else alive. Rejects on timeout with who is missing and why. */
  settled(timeoutMs: number): Promise<void>;
  status(): EngineStatus;
  /** Drains and stops everything this engine started; bounded by the longest drain time. */
  stop(): Promise<void>;
}
