/** The cluster's machines and what they do right now. */
import { z } from "zod";
import type { RayRest } from "./transport.ts";

const Node = z
  .object({
    hostname: z.string().nullish(),
    ip: z.string().nullish(),
    /** Percent of all cores. */
    cpu: z.number().nullish(),
    cpus: z.array(z.number()).nullish(),
    /** Total bytes, available bytes, percent used, used bytes. */
    mem: z.array(z.number()).nullish(),
    raylet: z.object({
      nodeId: z.string(),
      nodeManagerAddress: z.string(),
      state: z.string(),
      isHeadNode: z.boolean().default(false),
      numWorkers: z.number().nullish(),
    }),
  })
  .transform(({ raylet, hostname, cpu, cpus, mem }) => ({
    nodeId: raylet.nodeId,
    ip: raylet.nodeManagerAddress,
    isHead: raylet.isHeadNode,
    isAlive: raylet.state === "ALIVE",
    workers: raylet.numWorkers ?? undefined,
    hostname: hostname ?? undefined,
    cores: cpus?.[0],
    cpuRatio: typeof cpu === "number" ? cpu / 100 : undefined,
    memoryBytes: mem?.[0],
    memoryUsedBytes: mem?.[3],
  }));
export type NodeUsage = z.output<typeof Node>;

/** One entry per node the head has heard of, dead ones included for a while; figures are some seconds old. */
export async function readNodeUsage(rest: RayRest, signal?: AbortSignal): Promise<readonly NodeUsage[]> {
  const schema = z.object({ data: z.object({ summary: z.array(Node) }) });
  const query = { view: "summary" };
  return (await rest.call({ method: "GET", path: "/nodes", query, schema, signal })).data.summary;
}

const Status = z.object({
  data: z.object({
    autoscalingError: z.string().nullish(),
    clusterStatus: z
      .object({
        loadMetricsReport: z
          .object({
            /** Used and total by resource. */
            usage: z.record(z.string(), z.tuple([z.number(), z.number()])).nullish(),
            /** Shapes that wait for room, and how many of each. */
            resourceDemand: z.array(z.tuple([z.record(z.string(), z.number()), z.number()])).nullish(),
          })
          .nullish(),
      })
      .nullish(),
  }),
});

export interface ClusterResources {
  readonly usage: Readonly<Record<string, { readonly used: number; readonly total: number }>>;
  /** What waits because nothing has room for it: Ray waits for ever and says nothing. */
  readonly unplaced: readonly { readonly resources: Readonly<Record<string, number>>; readonly count: number }[];
  readonly autoscalerError: string | undefined;
}

/** Logical resources, as the autoscaler last wrote them; empty until it has. */
export async function readClusterResources(rest: RayRest, signal?: AbortSignal): Promise<ClusterResources> {
  const { data } = await rest.call({ method: "GET", path: "/api/cluster_status", schema: Status, signal });
  const report = data.clusterStatus?.loadMetricsReport;
  return {
    usage: Object.fromEntries(
      Object.entries(report?.usage ?? {}).map(([resource, [used, total]]) => [resource, { used, total }]),
    ),
    unplaced: (report?.resourceDemand ?? []).map(([resources, count]) => ({ resources, count })),
    autoscalerError: data.autoscalingError ?? undefined,
  };
}
