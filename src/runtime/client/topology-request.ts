/** A gateway's `/-/topology`: asked for once, or held open until it changes. */
import { z } from "zod";
import { ServiceError } from "#core/service-error.ts";
import type { Topology } from "../topology.ts";
import { toAnswer } from "./answer.ts";
import type { Reply } from "./exchange.ts";

export const TopologyAnswer = z.object({
  version: z.int(),
  epoch: z.string(),
  state: z.enum(["settling", "settled"]),
  replicas: z.array(
    z.object({
      id: z.string(),
      host: z.string(),
      version: z.string(),
      address: z.string(),
      services: z.array(z.string()),
      weight: z.number(),
    }),
  ),
});

/**
 * The gateway's topology. With `known`, the gateway answers when it has another one, or after a while with the same.
 * @throws ServiceError
 */
export async function readTopology(
  send: (path: string, headers: Record<string, string>) => Promise<Reply>,
  token: string,
  known: Topology | undefined,
): Promise<Topology> {
  const query = known === undefined ? "" : `?after=${known.version}&epoch=${encodeURIComponent(known.epoch)}`;
  const headers = { authorization: `Bearer ${token}`, accept: "application/json" };
  const parsed = TopologyAnswer.safeParse(toAnswer(await send(`/-/topology${query}`, headers)));
  if (!parsed.success)
    throw new ServiceError("BAD_OUTPUT", "The gateway's topology cannot be read.", { cause: parsed.error });
  return parsed.data;
}
