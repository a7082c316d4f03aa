import type { Output } from "../api.ts";
import { ago, number } from "../format.ts";
import { graph, incidents, nowMs, proposed, status } from "../live.ts";
import { Badge } from "../parts/badge.tsx";
import { IncidentList } from "../parts/incident-list.tsx";
import { Empty } from "../parts/loading.tsx";
import { Proposal } from "../parts/proposal.tsx";
import { ServiceName } from "../parts/service-name.tsx";
import { Table } from "../parts/table.tsx";

const RECENT = 5;

export function OverviewView() {
  const open = incidents.value?.filter(({ state }) => state === "open");
  const resolved = incidents.value?.filter(({ state }) => state === "resolved").slice(0, RECENT);
  const waiting = proposed.value ?? [];
  return (
    <>
      <h1>Overview</h1>
      {waiting.length > 0 && (
        <section>
          <h2>Waiting for you</h2>
          {waiting.map((action) => (
            <Proposal key={action.id} action={action} />
          ))}
        </section>
      )}
      <section>
        <h2>Open incidents</h2>
        <Empty of={open}>Nothing is out of its routine.</Empty>
        <IncidentList incidents={open ?? []} />
      </section>
      <section>
        <h2>Services</h2>
        <Services />
      </section>
      <section>
        <h2>Sources</h2>
        <Sources />
      </section>
      {resolved !== undefined && resolved.length > 0 && (
        <section>
          <h2>Over since recently</h2>
          <IncidentList incidents={resolved} />
        </section>
      )}
    </>
  );
}

const MEGABYTE = 1024 * 1024;

function Services() {
  const figures = new Map((graph.value?.services ?? []).map((one) => [one.service, one]));
  const blamed = new Set(
    (incidents.value ?? []).flatMap(({ state, cause }) => (state === "open" ? (cause?.service ?? []) : [])),
  );
  // A person's own first.
  const rows = status.value?.hosts
    .flatMap((host) => ((host.spec.services as string[] | undefined) ?? []).map((service) => ({ host, service })))
    .sort((a, b) => Number(figures.get(b.service)?.isOwn ?? false) - Number(figures.get(a.service)?.isOwn ?? false));
  return (
    <>
      <Empty of={rows}>No host runs.</Empty>
      {rows !== undefined && rows.length > 0 && (
        <Table
          label="Services"
          rows={rows}
          keyOf={({ host, service }) => `${host.name}/${service}`}
          columns={[
            {
              name: "Service",
              of: ({ service }) => <ServiceName name={service} isBlamed={blamed.has(service)} />,
            },
            { name: "Host", of: ({ host }) => host.name },
            { name: "Replicas", look: "states", of: ({ host }) => host.replicas.map(replicaBadge) },
            { name: "Calls/s", look: "figure", of: ({ service }) => number(figures.get(service)?.now.requestsPerS) },
            { name: "Errors/s", look: "figure", of: ({ service }) => number(figures.get(service)?.now.errorsPerS) },
            { name: "Latency, ms", look: "figure", of: ({ service }) => number(figures.get(service)?.now.latencyMs) },
            { name: "Memory, MB", look: "figure", of: ({ host }) => megabytesOf(host) },
          ]}
        />
      )}
    </>
  );
}

type Host = Output<"telemetry.status">["hosts"][number];

function replicaBadge({ id, state, restarts, reason }: Host["replicas"][number]) {
  const again = restarts > 0 ? `, restarted ${restarts} times` : "";
  return (
    <span key={id} title={`${id}${again}${reason === null ? "" : `: ${reason}`}`}>
      <Badge of={state} />
    </span>
  );
}

function megabytesOf({ replicas }: Host): number | string {
  const bytes = replicas.reduce((sum, { residentBytes }) => sum + (residentBytes ?? 0), 0);
  return bytes === 0 ? "–" : Math.round(bytes / MEGABYTE);
}

function Sources() {
  const sources = status.value?.sources;
  return (
    <>
      <Empty of={sources}>No source runs in the organism.</Empty>
      <ul class="rows">
        {(sources ?? []).map(({ name, state, points, lastPointAtMs, error }) => (
          <li key={name} class="row">
            <span class="row-head">
              <Badge of={state} /> <strong>{name}</strong>
            </span>
            <span class="quiet">
              {points} points{lastPointAtMs === null ? "" : `, the newest ${ago(lastPointAtMs, nowMs.value)}`}
              {error === null ? "" : `. ${error}`}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
