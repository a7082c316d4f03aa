import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api.ts";
import { percent } from "../format.ts";
import { type Agent, every, type Organ } from "../live.ts";
import { Empty } from "../parts/loading.tsx";

export function AgentsView() {
  const organs = useSignal<readonly Organ[] | undefined>(undefined);
  const agents = useSignal<readonly Agent[]>([]);
  useEffect(
    () =>
      every(5_000, async () => {
        const [found, known] = await Promise.all([call("organism.organs", {}), call("state.agents", {})]);
        organs.value = found.organs;
        agents.value = known.agents;
      }),
    [],
  );
  return (
    <>
      <h1>Agents</h1>
      <Empty of={organs.value}>There are no organs.</Empty>
      {(organs.value ?? []).map((organ) => (
        <section key={organ.id}>
          <h2>{organ.id}</h2>
          <p class="quiet">
            {organ.summary} Skills: {organ.skills.join(", ") || "none"}.
          </p>
          <Members ids={organ.agents} agents={agents.value} organ={organ.id} />
        </section>
      ))}
    </>
  );
}

function Members({
  ids,
  agents,
  organ,
}: {
  readonly ids: readonly string[];
  readonly agents: readonly Agent[];
  readonly organ: string;
}) {
  const known = new Map(agents.map((agent) => [agent.id, agent]));
  return (
    <div class="wide" role="region" aria-label={`Agents of ${organ}`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Agent</th>
            <th scope="col" class="figure">
              Capability
            </th>
            <th scope="col" class="figure">
              Succeeded
            </th>
            <th scope="col" class="figure">
              Failed
            </th>
            <th scope="col">Roles</th>
            <th scope="col">By skill</th>
          </tr>
        </thead>
        <tbody>
          {ids.map((id) => {
            const agent = known.get(id);
            return (
              <tr key={id}>
                <th scope="row">{id}</th>
                <td class="figure">{agent === undefined ? "–" : percent(agent.capability)}</td>
                <td class="figure">{agent?.succeeded ?? 0}</td>
                <td class="figure">{agent?.failed ?? 0}</td>
                <td>
                  {agent === undefined
                    ? "–"
                    : `explorer ${percent(agent.roles.E)}, specialist ${percent(agent.roles.S)}, observer ${percent(agent.roles.O)}`}
                </td>
                <td>
                  {(agent?.skills ?? []).map(({ skill, capability }) => `${skill} ${percent(capability)}`).join(", ") ||
                    "–"}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
