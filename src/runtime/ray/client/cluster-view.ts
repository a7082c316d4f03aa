/** A machine of the cluster, or one that was. */
export interface RayNode {
  readonly id: string;
  readonly alive: boolean;
  readonly address: string;
  readonly hostname: string;
  /** What the node brings: `CPU`, `memory` in bytes, custom ones. */
  readonly resources: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Resources of all nodes together. */
export interface RayResources {
  readonly total: Readonly<Record<string, number>>;
  readonly available: Readonly<Record<string, number>>;
}
