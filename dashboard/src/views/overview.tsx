import { Badge } from "../parts/badge.tsx";
import { IncidentList } from "../parts/incident-list.tsx";
import { Empty } from "../parts/loading.tsx";
import { Proposal } from "../parts/proposal.tsx";
import { ago, number } from "../format.ts";
import { actions, graph, incidents, nowMs, status } from "../live.ts";

const RECENT = 5;

export function OverviewView() {
  const open = incidents.value?.filter(({ state }) => state === "open");
  const resolved = incidents.value?.filter(({ state }) => state === "resolved").slice(0, RECENT);
  const waiting = (actions.value ?? []).filter(({ state }) => state === "proposed");
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
        <div class="wide" role="region" aria-label="Services" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col">Host</th>
                <th scope="col">Replicas</th>
                <th scope="col" class="figure">
                  Calls/s
                </th>
                <th scope="col" class="figure">
                  Errors/s
                </th>
                <th scope="col" class="figure">
                  Latency, ms
                </th>
                <th scope="col" class="figure">
                  Memory, MB
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ host, service }) => {
                const now = figures.get(service)?.now;
                const bytes = host.replicas.reduce((sum, { residentBytes }) => sum + (residentBytes ?? 0), 0);
                return (
                  <tr key={`${host.name}/${service}`}>
                    <th scope="row">
                      {service} {blamed.has(service) && <span class="badge bad">to blame</span>}
                    </th>
                    <td>{host.name}</td>
                    <td class="states">
                      {host.replicas.map(({ id, state, restarts, reason }) => (
                        <span
                          key={id}
                          title={`${id}${restarts > 0 ? `, restarted ${restarts} times` : ""}${reason === null ? "" : `: ${reason}`}`}
                        >
                          <Badge of={state} />
                        </span>
                      ))}
                    </td>
                    <td class="figure">{number(now?.requestsPerS)}</td>
                    <td class="figure">{number(now?.errorsPerS)}</td>
                    <td class="figure">{number(now?.latencyMs)}</td>
                    <td class="figure">{bytes === 0 ? "–" : Math.round(bytes / MEGABYTE)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
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
