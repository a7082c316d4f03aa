import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import { ClusterInfoType_TypeEnum } from "../protocol/ray-client_pb.js";
import { callInSession } from "./commands.ts";
import type { RequestTime } from "./datapath.ts";
import type { RayNode, RayResources } from "./cluster-view.ts";
import type { DriverCalls } from "./driver-calls.ts";
import type { OpenSession } from "./session.ts";

const Nodes = z.array(
  z.object({
    NodeID: z.string(),
    Alive: z.boolean(),
    NodeManagerAddress: z.string(),
    NodeManagerHostname: z.string(),
    Resources: z.record(z.string(), z.number()),
    Labels: z.record(z.string(), z.string()).default({}),
  }),
);

export async function fetchNodes(calls: DriverCalls, session: OpenSession, time: RequestTime): Promise<RayNode[]> {
  const { responseType } = await ask(calls, session, ClusterInfoType_TypeEnum.NODES, time);
  const parsed = Nodes.safeParse(responseType.case === "json" ? JSON.parse(responseType.value) : undefined);
  if (!parsed.success) {
    throw new ServiceError("BAD_OUTPUT", "Ray's list of nodes has a form that we do not know.", {
      cause: parsed.error,
    });
  }
  return parsed.data.map((node) => ({
    id: node.NodeID,
    alive: node.Alive,
    address: node.NodeManagerAddress,
    hostname: node.NodeManagerHostname,
    resources: node.Resources,
    labels: node.Labels,
  }));
}

export async function fetchResources(
  calls: DriverCalls,
  session: OpenSession,
  time: RequestTime,
): Promise<RayResources> {
  const table = async (type: ClusterInfoType_TypeEnum) => {
    const { responseType } = await ask(calls, session, type, time);
    return responseType.case === "resourceTable" ? responseType.value.table : {};
  };
  const total = await table(ClusterInfoType_TypeEnum.CLUSTER_RESOURCES);
  return { total, available: await table(ClusterInfoType_TypeEnum.AVAILABLE_RESOURCES) };
}

/** `host:port` of the dashboard; undefined for a head without one. */
export async function fetchDashboardUrl(
  calls: DriverCalls,
  session: OpenSession,
  time: RequestTime,
): Promise<string | undefined> {
  const { responseType } = await ask(calls, session, ClusterInfoType_TypeEnum.DASHBOARD_URL, time);
  const answer: unknown = responseType.case === "json" ? JSON.parse(responseType.value) : undefined;
  const { dashboard_url: url } = z.object({ dashboard_url: z.string().nullish() }).parse(answer ?? {});
  return url ? url : undefined;
}

function ask(calls: DriverCalls, session: OpenSession, type: ClusterInfoType_TypeEnum, time: RequestTime) {
  return callInSession(calls, session, "asking Ray for its state", time, (client, options) =>
    client.clusterInfo({ type }, options),
  );
}
