import { percent } from "../format.ts";
import { type Agent, useLive } from "../live.ts";
import { Empty } from "../parts/loading.tsx";
import { Table } from "../parts/table.tsx";

export function AgentsView() {
  const organs = useLive("organism.organs", {})?.organs;
  const agents = useLive("state.agents", {})?.agents ?? [];
  return (
    <>
      <h1>Agents</h1>
      <Empty of={organs}>There are no organs.</Empty>
      {(organs ?? []).map((organ) => (
        <section key={organ.id}>
          <h2>{organ.id}</h2>
          <p class="quiet">
            {organ.summary} Skills: {organ.skills.join(", ") || "none"}.
          </p>
          <Members ids={organ.agents} agents={agents} organ={organ.id} />
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
    <Table
      label={`Agents of ${organ}`}
      rows={ids.map((id) => ({ id, agent: known.get(id) }))}
      keyOf={({ id }) => id}
      columns={[
        { name: "Agent", of: ({ id }) => id },
        { name: "Capability", look: "figure", of: ({ agent }) => agent && percent(agent.capability) },
        { name: "Succeeded", look: "figure", of: ({ agent }) => agent?.succeeded ?? 0 },
        { name: "Failed", look: "figure", of: ({ agent }) => agent?.failed ?? 0 },
        { name: "Roles", of: ({ agent }) => agent && rolesText(agent) },
        { name: "By skill", of: ({ agent }) => agent && skillsText(agent) },
      ]}
    />
  );
}

function rolesText({ roles: { E, S, O } }: Agent): string {
  return `explorer ${percent(E)}, specialist ${percent(S)}, observer ${percent(O)}`;
}

function skillsText({ skills }: Agent): string {
  return skills.map(({ skill, capability }) => `${skill} ${percent(capability)}`).join(", ");
}
