/** One incident: what happened, why, what was done, and whether it helped. */
import { useState } from "preact/hooks";
import { howToSettle, skillName } from "#contracts/action-text.ts";
import { causeName } from "#contracts/cause-text.ts";
import { call } from "../api.ts";
import { clock, day, percent } from "../format.ts";
import { type Action, type IncidentDetail, useLive } from "../live.ts";
import { Ask } from "../parts/ask.tsx";
import { Badge } from "../parts/badge.tsx";
import { Proposal } from "../parts/proposal.tsx";
import { SeriesChart } from "../parts/series-chart.tsx";
import { linkTo } from "../place.ts";
import { may } from "../session.ts";

const MOST_CHARTS = 4;
/** Less is shown as 0 %. */
const LEAST_CONFIDENCE = 0.005;

export function IncidentView({ id }: { readonly id: string }) {
  const [problem, setProblem] = useState("Loading …");
  const incident = useLive("coordinator.getIncident", { id }, setProblem);
  if (incident === undefined) return <p class="empty">{problem}</p>;
  const proposed = incident.actions.filter(({ state }) => state === "proposed");
  return (
    <>
      <p class="quiet">
        <a href={linkTo("incidents")}>Incidents</a> / {id}
      </p>
      <h1>{incident.title}</h1>
      <p>
        <Badge of={incident.state} /> <Badge of={incident.severity} /> began {day(incident.openedAtMs)}
        {incident.resolvedAtMs === null ? "" : `, over ${day(incident.resolvedAtMs)}`}
        {incident.acknowledgedBy === null ? "" : `, ${incident.acknowledgedBy} is at it`}
      </p>
      {incident.state === "open" && incident.acknowledgedBy === null && may("operate") && (
        <p class="answer">
          <Ask label="I am at it" work={() => call("coordinator.acknowledgeIncident", { id })} />
        </p>
      )}
      {proposed.map((action) => (
        <Proposal key={action.id} action={action} />
      ))}
      <Why incident={incident} />
      <Done actions={incident.actions.filter(({ state }) => state !== "proposed")} />
      <Story incident={incident} />
      <Charts incident={incident} />
      <Label incident={incident} />
    </>
  );
}

function Why({ incident }: { readonly incident: IncidentDetail }) {
  const { diagnosis, cause } = incident;
  if (diagnosis === null) return null;
  const most = Math.max(1, ...diagnosis.cause.reasons.map(({ weight }) => Math.abs(weight)));
  const others = diagnosis.alternatives.filter(({ confidence }) => confidence >= LEAST_CONFIDENCE).slice(0, 4);
  return (
    <section>
      <h2>Why</h2>
      <p>
        <strong>{causeName(cause)}</strong>
        {cause === null || cause.kind === "unknown" ? "" : `, ${percent(cause.confidence)} sure`}. {diagnosis.thought}
      </p>
      <ul class="reasons" aria-label="Reasons, by weight">
        {diagnosis.cause.reasons.map(({ text, weight }) => (
          <li key={text}>
            <span class="weight">
              <meter
                min={0}
                max={most}
                value={Math.abs(weight)}
                class={weight < 0 ? "against" : ""}
                aria-hidden="true"
              />
              {weight < 0 ? "−" : "+"}
              {Math.abs(weight).toFixed(1)}
            </span>
            {text}
          </li>
        ))}
      </ul>
      {others.length > 0 && (
        <p class="quiet">
          Or: {others.map((other) => `${causeName(other)} (${percent(other.confidence)})`).join(", ")}.
        </p>
      )}
      <p class="quiet">
        {diagnosis.proposedSolution} {diagnosis.missing.length === 0 ? "" : `Missing: ${diagnosis.missing.join(" ")}`}
      </p>
    </section>
  );
}

function Done({ actions }: { readonly actions: readonly Action[] }) {
  if (actions.length === 0) return null;
  return (
    <section>
      <h2>Decided and done</h2>
      <ul class="rows">
        {actions.map((action) => (
          <li key={action.id} class="row">
            <span class="row-head">
              <Badge of={action.state} /> <strong>{skillName(action)}</strong>
            </span>
            <span class="quiet">
              {action.reason}{" "}
              {action.predictedDeltaE === null ? "" : `Expected ΔE ${action.predictedDeltaE.toFixed(2)}`}
              {action.measuredDeltaE === null ? "" : `, measured ${action.measuredDeltaE.toFixed(2)}`}
            </span>
            {action.state === "unknown" && <p class="quiet">{howToSettle(action.id)}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Story({ incident }: { readonly incident: IncidentDetail }) {
  return (
    <section>
      <h2>What happened</h2>
      <ol class="story">
        {incident.story.map(({ atMs, kind, text }, i) => (
          <li key={i} class={kind}>
            <time dateTime={new Date(atMs).toISOString()} title={day(atMs)}>
              {clock(atMs)}
            </time>
            <span class="kind">{kind}</span>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Charts({ incident }: { readonly incident: IncidentDetail }) {
  const groups = [
    ...Map.groupBy(incident.crossings, ({ source, series }) => JSON.stringify([source, series])).values(),
  ];
  const aroundMs = [incident.openedAtMs - 120_000, (incident.resolvedAtMs ?? Date.now()) + 60_000] as const;
  return (
    <section>
      <h2>Its series</h2>
      {groups.slice(0, MOST_CHARTS).map((crossings) => {
        const { source = "", series = "" } = crossings[0] ?? {};
        const marks = crossings.map(({ startedAtMs, expected, spread }) => ({ atMs: startedAtMs, expected, spread }));
        return (
          <SeriesChart
            key={`${source}/${series}`}
            source={source}
            series={series}
            marks={marks}
            aroundMs={aroundMs}
            isLive={incident.state === "open"}
          />
        );
      })}
      {groups.length > MOST_CHARTS && <p class="quiet">And {groups.length - MOST_CHARTS} more.</p>}
    </section>
  );
}

function Label({ incident }: { readonly incident: IncidentDetail }) {
  if (!may("operate")) return null;
  const label = (value: "incident" | "not-an-incident") => () =>
    call("coordinator.labelIncident", { id: incident.id, label: value });
  return (
    <section>
      <h2>Was it one?</h2>
      <p class="quiet">
        {incident.label === null ? "Nobody has said. " : `It is labelled: ${incident.label}. `}
        What was none makes its series that much harder to alarm.
      </p>
      <p class="answer">
        <Ask label="An incident" work={label("incident")} />
        <Ask label="Not an incident" work={label("not-an-incident")} />
      </p>
    </section>
  );
}
