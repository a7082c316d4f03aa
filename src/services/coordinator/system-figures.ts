/** What the policy may ask of the organism as a whole. A figure that cannot be had is left out. */
import type { energy } from "#contracts/energy.ts";
import type { ml } from "#contracts/ml.ts";
import type { state } from "#contracts/state.ts";
import type { Client } from "#runtime/client/client.ts";
import type { SystemFigures } from "./policy/signals-of.ts";

const BRIEF = { priority: "background", deadlineMs: 2_000 } as const;

/** The source `host`: this machine's own figures, which is watched unless somebody ended it. */
const HOST_SOURCE = "host";

export function createSystemFigures(
  kept: <T>(ask: () => Promise<T>, nothing: T) => () => Promise<T>,
  clients: {
    readonly energy: Pick<Client<typeof energy>, "current">;
    readonly ml: Pick<Client<typeof ml>, "source">;
    readonly state: Pick<Client<typeof state>, "agents">;
  },
  openIncidents: () => number,
): () => Promise<SystemFigures> {
  const total = kept(async () => (await clients.energy.current({}, BRIEF)).total, undefined);
  const machine = kept<Pick<SystemFigures, "cpu" | "memory">>(async () => {
    const answer = await clients.ml.source.try({ source: HOST_SOURCE }, BRIEF);
    if (!answer.ok) return {};
    const last = (name: string) => answer.value.series.find((series) => series.name === name)?.lastValue;
    return { cpu: last("cpu"), memory: last("memory") };
  }, {});
  const successRate = kept(async () => {
    const { agents } = await clients.state.agents({}, BRIEF);
    const succeeded = agents.reduce((sum, agent) => sum + agent.succeeded, 0);
    const executed = agents.reduce((sum, agent) => sum + agent.failed, succeeded);
    return executed === 0 ? undefined : succeeded / executed;
  }, undefined);
  return async () => {
    const [energyTotal, rate, figures] = await Promise.all([total(), successRate(), machine()]);
    return { openIncidents: openIncidents(), energy: energyTotal, successRate: rate, ...figures };
  };
}
