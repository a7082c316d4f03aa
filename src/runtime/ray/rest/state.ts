/** Ray's state API: what there is on the cluster, as the head and its nodes know it. */
import { z } from "zod";
import type { RayRest } from "./transport.ts";

/** A count that Ray writes as a number or as its digits. */
const Count = z.coerce.number();
const Id = z.string();

/** What can be listed. */
export const STATE = {
  nodes: {
    path: "nodes",
    row: z.object({
      node_id: Id,
      node_ip: z.string(),
      is_head_node: z.boolean(),
      state: z.enum(["ALIVE", "DEAD"]),
      state_message: z.string().nullish(),
      node_name: z.string().nullish(),
      resources_total: z.record(z.string(), z.number()).nullish(),
      labels: z.record(z.string(), z.string()).nullish(),
      start_time_ms: z.number().nullish(),
    }),
  },
  actors: {
    path: "actors",
    row: z.object({
      actor_id: Id,
      class_name: z.string(),
      /** DEPENDENCIES_UNREADY, PENDING_CREATION, ALIVE, RESTARTING or DEAD in Ray 2.60. */
      state: z.string(),
      job_id: Id.nullish(),
      name: z.string().nullish(),
      node_id: Id.nullish(),
      pid: z.number().nullish(),
      ray_namespace: z.string().nullish(),
      is_detached: z.boolean().nullish(),
      num_restarts: Count.nullish(),
      death_cause: z.looseObject({}).nullish(),
    }),
  },
  workers: {
    path: "workers",
    row: z.object({
      worker_id: Id,
      is_alive: z.boolean(),
      worker_type: z.string(),
      exit_type: z.string().nullish(),
      exit_detail: z.string().nullish(),
      node_id: Id.nullish(),
      ip: z.string().nullish(),
      pid: z.number().nullish(),
    }),
  },
  placementGroups: {
    path: "placement_groups",
    row: z.object({
      placement_group_id: Id,
      name: z.string().nullish(),
      state: z.string(),
      creator_job_id: Id.nullish(),
    }),
  },
} as const;

export interface StateResource<Row> {
  readonly path: string;
  readonly row: z.ZodType<Row>;
}

export interface StateFilter {
  readonly key: string;
  readonly is: "=" | "!=";
  readonly value: string;
}

export interface StateQuery {
  readonly filters?: readonly StateFilter[];
  /** Rows in the answer; Ray allows 10000. @default 1000 */
  readonly limit?: number;
  /** Also the fields that Ray has to ask for elsewhere. @default false */
  readonly detail?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface StateList<Row> {
  readonly rows: readonly Row[];
  /** How many match, those beyond the limit included. */
  readonly matching: number;
  /** Why rows may be missing: a node that did not answer, a limit inside Ray or that of the query. Say them where the rows are shown. */
  readonly warnings: readonly string[];
}

/** One list. Right after a node started it may be missing for some seconds. */
export async function listState<Row>(
  rest: RayRest,
  resource: StateResource<Row>,
  query: StateQuery = {},
): Promise<StateList<Row>> {
  const { filters = [], limit = 1_000, detail = false, signal } = query;
  const { data } = await rest.call({
    method: "GET",
    path: `/api/v0/${resource.path}`,
    query: {
      limit,
      detail,
      filter_keys: filters.map(({ key }) => key),
      filter_predicates: filters.map(({ is }) => is),
      filter_values: filters.map(({ value }) => value),
    },
    schema: listOf(resource.row),
    signal,
  });
  const { result: rows, num_filtered: matching, partial_failure_warning: failure, warnings } = data.result;
  const { total, num_after_truncation: seen } = data.result;
  return {
    rows,
    matching,
    warnings: [
      failure ?? "",
      ...(warnings ?? []),
      // These two Ray tells in figures only.
      total > seen ? `Ray has ${total} ${resource.path} and looked at ${seen} of them.` : "",
      matching > rows.length ? `${rows.length} of ${matching} ${resource.path} are listed.` : "",
    ].filter((text) => text !== ""),
  };
}

function listOf<Row>(row: z.ZodType<Row>) {
  return z.object({
    data: z.object({
      result: z.object({
        result: z.array(row),
        total: z.number().default(0),
        num_after_truncation: z.number().default(0),
        num_filtered: z.number().default(0),
        partial_failure_warning: z.string().nullable().default(""),
        warnings: z.array(z.string()).nullish(),
      }),
    }),
  });
}

export interface LogQuery {
  readonly nodeId: string;
  /** Below the session's log folder, such as Serve's details name it. */
  readonly file: string;
  /** From the end. @default 100 */
  readonly lines?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The end of a log file of a node. @throws ServiceError UNAVAILABLE when the file or the node is gone */
export function readLog(rest: RayRest, { nodeId, file, lines = 100, signal }: LogQuery): Promise<string> {
  return rest.text({
    method: "GET",
    path: "/api/v0/logs/file",
    query: { node_id: nodeId, filename: file.replace(/^\/+/, ""), lines },
    signal,
  });
}
