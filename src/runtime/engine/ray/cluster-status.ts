/** What an organism is on, as Ray tells it. */
import { listState, STATE } from "../../ray/rest/state.ts";
import type { RayRest } from "../../ray/rest/transport.ts";
import type { ClusterApplication, ClusterStatus } from "../engine.ts";

export interface ClusterStatusDeps {
  readonly rest: RayRest;
  readonly namespace: string;
  /** As the engine saw them last: Serve is not asked again for what it has told a moment ago. */
  readonly applications: readonly ClusterApplication[];
}

export async function readClusterStatus({ rest, namespace, applications }: ClusterStatusDeps): Promise<ClusterStatus> {
  const [nodes, actors] = await Promise.all([
    listState(rest, STATE.nodes, { filters: [{ key: "state", is: "=", value: "ALIVE" }] }),
    // Those that have died stay in the list for a long time.
    listState(rest, STATE.actors, {
      filters: [
        { key: "ray_namespace", is: "=", value: namespace },
        { key: "state", is: "!=", value: "DEAD" },
      ],
      detail: true,
    }),
  ]);
  return {
    nodes: nodes.rows
      .map(({ node_ip: address, is_head_node: isHead, resources_total: total }) => ({
        address,
        isHead,
        cpus: total?.["CPU"] ?? 0,
        memoryBytes: total?.["memory"] ?? 0,
      }))
      .sort((a, b) => Number(b.isHead) - Number(a.isHead) || byText(a.address, b.address)),
    actors: actors.rows
      .flatMap(({ name, state, num_restarts: restarts, pid }) =>
        name ? [{ name, state, restarts: restarts ?? 0, pid: pid ?? undefined }] : [],
      )
      .sort((a, b) => byText(a.name, b.name)),
    applications: applications.toSorted((a, b) => byText(a.name, b.name)),
    warnings: [...nodes.warnings, ...actors.warnings],
  };
}

const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
