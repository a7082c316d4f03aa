import { causeName } from "#contracts/cause-text.ts";
import { ago, day, percent } from "../format.ts";
import { type Incident, nowMs } from "../live.ts";
import { linkTo } from "../place.ts";
import { Badge } from "./badge.tsx";

export function IncidentList({ incidents }: { readonly incidents: readonly Incident[] }) {
  return (
    <ul class="rows">
      {incidents.map((one) => (
        <li key={one.id}>
          <a href={linkTo("incidents", one.id)} class="row">
            <span class="row-head">
              <Badge of={one.state} /> <Badge of={one.severity} /> <strong>{one.title}</strong>
            </span>
            <span class="quiet">
              {causeName(one.cause)}
              {one.cause === null || one.cause.kind === "unknown" ? "" : `, ${percent(one.cause.confidence)} sure`}
              {" · "}
              <time dateTime={new Date(one.openedAtMs).toISOString()} title={day(one.openedAtMs)}>
                {ago(one.openedAtMs, nowMs.value)}
              </time>
              {one.decision === null ? "" : ` · ${one.decision.skill}`}
              {one.label === "not-an-incident" ? " · labelled as none" : ""}
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}
